"""Run a plan: store, resume, contract checks, proof, output."""
