"""OpenAI's dialect: requests, answers, routes."""
