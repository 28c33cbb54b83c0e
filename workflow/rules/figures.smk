# Tables -> figures, of this run and of the paper's printed results. A figure is one module of nasperf360/figures/.

FIGURES = ["profiles_settings", "profiles_tasks", "profiles_groups", "scores", "critical_difference"]
GALLERIES = ["gallery_spherical"] if "spherical" in TASKS and not config["partial"] else []


# Methods whose space has a drawing of its own, nasperf360/spaces/<space>/drawing.py.
DRAWN = [
    method
    for method in METHODS
    if has_room("spaces", space_of(method), "drawing") and method in [name for _, name in EXPERIMENTS]
]
ARCHITECTURES = [
    f"{RESULTS}/figures/architectures/{{method}}/{seed}.{form}" for seed in SEARCH_SEEDS for form in PICTURE_FORMS
]


rule draw_figure:
    input:
        unpack(seeds_of),
        performance="results/{run}/tables/performance.csv",
        tasks="results/{run}/tables/tasks.csv",
    output:
        figure_outputs("results/{run}", "{figure}"),
    log:
        "results/{run}/logs/figures/{figure}.log",
    wildcard_constraints:
        figure="|".join(FIGURES),
    conda:
        ENVIRONMENT
    params:
        **code_params(
            "draw_figure.py",
            lambda wildcards: [
                f"figures.{wildcards.figure}",
                *task_labels(wildcards.run),
                *method_labels(wildcards.run),
            ],
        ),
    script:
        "../scripts/draw_figure.py"


rule draw_experts:
    input:
        performance="results/{run}/tables/performance.csv",
        reference=REFERENCE,
        tasks="results/{run}/tables/tasks.csv",
    output:
        figure_outputs("results/{run}", "experts"),
    log:
        "results/{run}/logs/figures/experts.log",
    conda:
        ENVIRONMENT
    params:
        **code_params("draw_experts.py", lambda wildcards: task_labels(wildcards.run) + method_labels(wildcards.run)),
    script:
        "../scripts/draw_experts.py"


rule draw_cost:
    input:
        performance=f"{RESULTS}/tables/performance.csv",
        costs=f"{RESULTS}/tables/cost.csv",
        tasks=f"{RESULTS}/tables/tasks.csv",
    output:
        figure_outputs(RESULTS, "cost"),
    log:
        f"{RESULTS}/logs/figures/cost.log",
    conda:
        ENVIRONMENT
    params:
        **code_params("draw_cost.py", *task_labels(RUN), *method_labels(RUN)),
    script:
        "../scripts/draw_cost.py"


rule draw_architectures:
    input:
        lambda wildcards: [] if config["partial"] else architectures_of(wildcards.method),
    output:
        with_report(ARCHITECTURES, ".svg", "figure", category="Figures", figure="architectures of {method}", run=RUN),
    log:
        f"{RESULTS}/logs/figures/architectures/{{method}}.log",
    conda:
        ENVIRONMENT
    params:
        **code_params(
            "draw_architectures.py",
            lambda wildcards: f"spaces.{space_of(wildcards.method)}.drawing",
            lambda wildcards: label_modules(
                "tasks", [task for task, method in EXPERIMENTS if method == wildcards.method]
            ),
        ),
        space=lambda wildcards: space_of(wildcards.method),
        snapshot=lambda wildcards: (
            {path: digest_file(path) for path in architectures_of(wildcards.method)} if config["partial"] else {}
        ),
    script:
        "../scripts/draw_architectures.py"


rule gallery_spherical:
    input:
        data=ancient(f"{DATA}/spherical.h5"),
        manifest=f"{DATA}/spherical.json",
    output:
        figure_outputs(RESULTS, "gallery_spherical", PICTURE_FORMS),
    log:
        f"{RESULTS}/logs/figures/gallery_spherical.log",
    conda:
        ENVIRONMENT
    params:
        **code_params("draw_gallery.py"),
    script:
        "../scripts/draw_gallery.py"


rule figures:
    input:
        RECORD.values(),
        expand(f"{RESULTS}/figures/{{figure}}.{{form}}", figure=[*FIGURES, "experts", "cost"], form=FIGURE_FORMS),
        expand(f"{RESULTS}/figures/{{figure}}.{{form}}", figure=GALLERIES, form=PICTURE_FORMS),
        expand(ARCHITECTURES, method=DRAWN),


rule reference:
    input:
        expand(
            "results/reference/tables/{table}.{form}",
            table=REFERENCE_TABLES,
            form=FORMS,
        ),
        expand(
            "results/reference/figures/{figure}.{form}",
            figure=[*FIGURES, "experts"],
            form=FIGURE_FORMS,
        ),
        "results/reference/report/index.html",
