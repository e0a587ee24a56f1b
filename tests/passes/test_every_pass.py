"""What holds for every pass in the catalogue."""

from __future__ import annotations

import inspect
from importlib import import_module

import pytest
from pydantic import ValidationError

from optkit.catalogue import all_passes, find_format, pass_names
from optkit.core.contract import Pass

PASSES = pytest.mark.parametrize("item", all_passes(), ids=pass_names())


@PASSES
def test_the_docstring_shows_what_is_given_and_what_results(item: Pass):
    assert "Given:" in item.run.__doc__
    assert "Result:" in item.run.__doc__
    assert item.summary.endswith(".")


@PASSES
def test_options_are_described_frozen_and_closed(item: Pass):
    assert all(field.description for field in item.options.model_fields.values())
    assert all(not field.is_required() for field in item.options.model_fields.values())
    assert item.options.model_config["frozen"]
    with pytest.raises(ValidationError):
        item.options.model_validate({"no_such_option": 1})


@PASSES
def test_the_facts_name_things_that_are_there(item: Pass):
    for name in (*item.takes, *filter(None, [item.gives])):
        assert find_format(name)
    assert set(item.edits) <= set(item.takes)
    assert set(item.after) <= {*pass_names()} - {item.name}
    assert item.needs


@PASSES
def test_the_file_is_short(item: Pass):
    source = inspect.getsource(import_module(item.run.__module__))
    assert len(source.splitlines()) <= 150
