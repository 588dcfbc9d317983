"""`cerebros-bridge`, also as `python -m bridge`."""

from bridge.commands import main

if __name__ == "__main__":
    main()
