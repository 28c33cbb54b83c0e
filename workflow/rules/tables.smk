# Results -> tables, of this run and, by the same rules, of the paper's printed results (results/reference/).

from nasperf360.files import digest_file
from nasperf360.study import results

STUDY = [(task, method, seed) for task, method in EXPERIMENTS for seed in SEEDS]
MANIFESTS = {task: f"{DATA}/{task}.json" for task in TASKS}
REFERENCE = shipped("config/reference.csv")
RUN_TABLES = ["tasks", "performance", "comparison", "aggregate", "comparisons", "paired", "cost", "licences"]
REFERENCE_TABLES = ["tasks", "performance", "aggregate", "comparisons", "licences"]


wildcard_constraints:
    run="|".join(re.escape(run) for run in (RUN, "reference")),


# A partial run takes what is there as it is: no inputs that Snakemake would make, but their digests as params.
rule collect_results:
    input:
        results_of_study,
        study=recorded_study,
    output:
        f"{RESULTS}/tables/scores.csv",
    log:
        f"{RESULTS}/logs/tables/scores.log",
    conda:
        ENVIRONMENT
    params:
        **code_params("collect_results.py", *task_specs(RUN)),
        experiments=[list(key) for key in STUDY],
        snapshot=results.snapshot(RESULTS, STUDY) if config["partial"] else {},
    script:
        "../scripts/collect_results.py"


rule performance_table:
    input:
        scores=f"{RESULTS}/tables/scores.csv",
        reference=REFERENCE,
    output:
        table_outputs(RESULTS, "performance"),
    log:
        f"{RESULTS}/logs/tables/performance.log",
    conda:
        ENVIRONMENT
    params:
        **code_params("performance_table.py", *task_labels(RUN), *method_labels(RUN)),
    script:
        "../scripts/performance_table.py"


rule reference_performance_table:
    input:
        reference=REFERENCE,
    output:
        table_outputs("results/reference", "performance"),
    log:
        "results/reference/logs/tables/performance.log",
    conda:
        ENVIRONMENT
    params:
        **code_params("performance_table.py", *task_labels("reference"), *method_labels("reference")),
    script:
        "../scripts/performance_table.py"


rule comparison_table:
    input:
        performance=f"{RESULTS}/tables/performance.csv",
        reference=REFERENCE,
    output:
        table_outputs(RESULTS, "comparison"),
    log:
        f"{RESULTS}/logs/tables/comparison.log",
    conda:
        ENVIRONMENT
    params:
        **code_params("comparison_table.py", *task_labels(RUN), *method_labels(RUN)),
    script:
        "../scripts/comparison_table.py"


rule aggregate_table:
    input:
        unpack(seeds_of),
        performance="results/{run}/tables/performance.csv",
    output:
        table_outputs("results/{run}", "aggregate"),
    log:
        "results/{run}/logs/tables/aggregate.log",
    conda:
        ENVIRONMENT
    params:
        **code_params("aggregate_table.py", lambda wildcards: task_labels(wildcards.run) + method_labels(wildcards.run)),
    script:
        "../scripts/aggregate_table.py"


rule comparisons_table:
    input:
        performance="results/{run}/tables/performance.csv",
    output:
        table_outputs("results/{run}", "comparisons"),
    log:
        "results/{run}/logs/tables/comparisons.log",
    conda:
        ENVIRONMENT
    params:
        **code_params("comparisons_table.py", lambda wildcards: method_labels(wildcards.run)),
    script:
        "../scripts/comparisons_table.py"


# Reads the saved predictions, but never asks for them: a result names its own by digest, and where they were deleted the
# table says so instead of training again.
rule paired_table:
    input:
        results_of_study,
        study=recorded_study,
    output:
        table_outputs(RESULTS, "paired"),
    log:
        f"{RESULTS}/logs/tables/paired.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 120 * attempt,
    params:
        **code_params(
            "paired_table.py",
            *task_metrics(TASKS),
            *task_labels(RUN),
            *method_labels(RUN),
        ),
        experiments=[list(key) for key in STUDY],
        snapshot=results.snapshot(RESULTS, STUDY) if config["partial"] else {},
    script:
        "../scripts/paired_table.py"


rule task_table:
    input:
        lambda wildcards: ([] if wildcards.run == "reference" or config["partial"] else list(MANIFESTS.values())),
    output:
        table_outputs("results/{run}", "tasks"),
    log:
        "results/{run}/logs/tables/tasks.log",
    conda:
        ENVIRONMENT
    params:
        **code_params("task_table.py", lambda wildcards: task_labels(wildcards.run) + task_specs(wildcards.run)),
        tasks=lambda wildcards: tasks_of(wildcards.run),
        manifests=lambda wildcards: {} if wildcards.run == "reference" else MANIFESTS,
        snapshot=lambda wildcards: (
            {task: digest_file(path) for task, path in MANIFESTS.items() if Path(path).is_file()}
            if config["partial"] and wildcards.run != "reference"
            else {}
        ),
    script:
        "../scripts/task_table.py"


# The only table that reads cost files, which differ between equal runs.
rule cost_table:
    input:
        costs_of_study,
    output:
        table_outputs(RESULTS, "cost"),
    log:
        f"{RESULTS}/logs/tables/cost.log",
    conda:
        ENVIRONMENT
    params:
        **code_params("cost_table.py", *task_labels(RUN), *method_labels(RUN)),
        experiments=[list(key) for key in STUDY],
        searches=SEARCHES,
        snapshot=results.cost_snapshot(RESULTS, STUDY, SEARCHES) if config["partial"] else {},
    script:
        "../scripts/cost_table.py"


rule licence_table:
    input:
        sources=lambda wildcards: (
            shipped("config/sources.yaml") if wildcards.run == "reference" else local(config["sources"])
        ),
    output:
        table_outputs("results/{run}", "licences"),
    log:
        "results/{run}/logs/tables/licences.log",
    conda:
        ENVIRONMENT
    params:
        **code_params("licence_table.py", lambda wildcards: task_labels(wildcards.run) + task_specs(wildcards.run)),
        tasks=lambda wildcards: tasks_of(wildcards.run),
    script:
        "../scripts/licence_table.py"


rule tables:
    input:
        RECORD.values(),
        expand(
            f"{RESULTS}/tables/{{table}}.{{form}}",
            table=RUN_TABLES,
            form=FORMS,
        ),
