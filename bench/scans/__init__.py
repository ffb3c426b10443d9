"""Runs a layer over time: by a fused kernel if its cell has one, else step by step."""
