import pathlib

assert "static page" in (pathlib.Path(__file__).parent / "static/index.html").read_text()
print("Hello from Python")
