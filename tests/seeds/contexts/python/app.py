def app(environ, start_response):
    start_response("200 OK", [])
    return [b"Hello from Python"]


if __name__ == "__main__":
    print("Hello from Python")
