# What tables and figures write.


def with_report(paths, shown, caption, **about):
    """Outputs; Snakemake's own report shows those with that suffix, with a caption of workflow/report/ and labels."""
    about = {"caption": f"../report/{caption}.rst", "category": about.pop("category"), "labels": about}
    return [path if not path.endswith(shown) else report(path, **about) for path in paths]


def table_outputs(folder, table):
    """A table in all its forms, below ``results/<run>``."""
    paths = [f"{folder}/tables/{table}.{form}" for form in FORMS]
    return with_report(paths, ".html", "table", category="Tables", table=table, run=folder.split("/")[-1])


def figure_outputs(folder, figure, forms=FIGURE_FORMS):
    """A figure in all its forms, below ``results/<run>``."""
    paths = [f"{folder}/figures/{figure}.{form}" for form in forms]
    return with_report(paths, ".svg", "figure", category="Figures", figure=figure, run=folder.split("/")[-1])
