"""The server: HTTP in OpenAI's and Mercury's dialects over the engine. `app.create_app` is the whole surface."""
