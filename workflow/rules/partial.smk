# Targets of the rules that a partial run goes without: asked for, they end it by a sentence.


def left_out(target):
    """An input that there is not."""

    def refuse(wildcards):
        sys.exit(f"Error: partial: it makes no results or data, only tables and figures; leave it out to make {target}")

    return refuse


for target in ("datasets", "architectures", "evaluations", "publications"):

    rule:
        name:
            target
        input:
            left_out(target),
