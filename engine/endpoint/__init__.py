"""Models behind an OpenAI-compatible address: asked by HTTP, never loaded. Knows prompts, not the store."""
