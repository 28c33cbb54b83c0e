# What a reader sees: curves of trainings and searches, samples of the data, pages, and what corrected choices change.

TEMPLATE_NAMES = ["base.html.j2", "study.html.j2", "two_runs.html.j2", "page.js", "style.css"]
TEMPLATES = [shipped(f"workflow/scripts/nasperf360/report/templates/{name}") for name in TEMPLATE_NAMES]
PAGE_PICTURES = ["critical_difference", "experts"]
SAMPLES = [] if config["partial"] else [f"{RESULTS}/figures/samples/{task}.png" for task in TASKS]


rule draw_curves:
    input:
        histories_of_study,
        costs_of_study,
        tasks=f"{RESULTS}/tables/tasks.csv",
    output:
        figure_outputs(RESULTS, "curves"),
    log:
        f"{RESULTS}/logs/figures/curves.log",
    conda:
        ENVIRONMENT
    params:
        **code_params("draw_curves.py", *task_labels(RUN), *method_labels(RUN)),
        experiments=[list(key) for key in STUDY],
        searches=SEARCHES,
        snapshot=results.cost_snapshot(RESULTS, STUDY, SEARCHES) if config["partial"] else {},
    script:
        "../scripts/draw_curves.py"


rule draw_samples:
    input:
        data=ancient([f"{DATA}/{task}.h5" for task in TASKS]),
        manifests=list(MANIFESTS.values()),
    output:
        [f"{RESULTS}/figures/samples/{task}.png" for task in TASKS],
    log:
        f"{RESULTS}/logs/figures/samples.log",
    conda:
        ENVIRONMENT
    params:
        **code_params("draw_samples.py", *task_specs(RUN)),
    script:
        "../scripts/draw_samples.py"


rule study_page:
    input:
        unpack(page_inputs),
        citation=shipped("CITATION.cff"),
        templates=TEMPLATES,
        tables=lambda wildcards: [
            f"results/{wildcards.run}/tables/{table}.html"
            for table in (REFERENCE_TABLES if wildcards.run == "reference" else RUN_TABLES)
        ],
        pictures=expand("results/{{run}}/figures/{figure}.svg", figure=PAGE_PICTURES),
    output:
        with_report(["results/{run}/report/index.html"], ".html", "page", category="Study", page="study", run="{run}"),
    log:
        "results/{run}/logs/report/index.log",
    conda:
        ENVIRONMENT
    params:
        **code_params("study_page.py", lambda wildcards: task_labels(wildcards.run) + method_labels(wildcards.run)),
        experiments=lambda wildcards: [] if wildcards.run == "reference" else [list(key) for key in STUDY],
        searches=SEARCHES,
        snapshot=lambda wildcards: (
            results.snapshot(RESULTS, STUDY) if config["partial"] and wildcards.run != "reference" else {}
        ),
    script:
        "../scripts/study_page.py"


rule page:
    input:
        RECORD.values(),
        f"{RESULTS}/report/index.html",
        expand(f"{RESULTS}/figures/curves.{{form}}", form=FIGURE_FORMS),


rule compare_runs:
    input:
        study=recorded_study,
        reference=REFERENCE,
        templates=TEMPLATES,
    output:
        tables=with_report(
            [f"{RESULTS}/compare/{{other}}/differences.{form}" for form in FORMS],
            ".html",
            "compare",
            category="Comparisons",
            run=RUN,
            other="{other}",
        ),
        pictures=[f"{RESULTS}/compare/{{other}}/differences.{form}" for form in PICTURE_FORMS],
        page=f"{RESULTS}/compare/{{other}}/index.html",
    log:
        f"{RESULTS}/logs/compare/{{other}}.log",
    conda:
        ENVIRONMENT
    params:
        **code_params("compare.py", *task_labels(RUN), *method_labels(RUN), *task_metrics(TASKS)),
        here=lambda wildcards: compared(RUN),
        there=lambda wildcards: compared(wildcards.other),
    script:
        "../scripts/compare.py"


rule compare:
    input:
        comparisons_of,


rule corrected_choices:
    input:
        reference=REFERENCE,
    output:
        tables=table_outputs(RESULTS, "conclusions"),
        pictures=figure_outputs(RESULTS, "conclusions", PICTURE_FORMS),
    log:
        f"{RESULTS}/logs/tables/conclusions.log",
    conda:
        ENVIRONMENT
    params:
        **code_params("conclusions.py", *task_labels(RUN), *method_labels(RUN), *task_specs(RUN)),
        others=config["conclusions"],
        here=lambda wildcards: compared(RUN),
        there=lambda wildcards: {name: started(name) for name in config["conclusions"]},
    script:
        "../scripts/conclusions.py"


rule conclusions:
    input:
        conclusions_of,
