"""`python -m pipemend` is the command `pipemend`."""


def main() -> None:
    from pipemend.cli import main as command

    command()


if __name__ == "__main__":
    main()
