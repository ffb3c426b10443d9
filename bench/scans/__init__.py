"""How a layer runs over time: by a fused kernel where its cell has one, else step by step."""
