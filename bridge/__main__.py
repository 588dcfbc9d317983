"""`cerebros-bridge`, also as `python -m bridge`."""

from bridge.cli.commands import main

if __name__ == "__main__":
    main()
