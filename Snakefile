# NAS-Perf-360: from the raw data of ten tasks to the tables and performance profiles of the paper.


report: "workflow/report/workflow.rst"


# A working directory elsewhere (--directory, a module) may do without: every key has a default. On disk, also
# where results are in a bucket.
if exists(local("config/config.yaml")):

    configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
# Functions of the rules below.
include: "workflow/rules/resources.smk"
include: "workflow/rules/code.smk"
include: "workflow/rules/inputs.smk"
include: "workflow/rules/outputs.smk"


# Snakemake asks for it where it is given --sdm apptainer.
if config["container"]:

    container: config["container"]


include: "workflow/rules/record.smk"


# Partial tables and figures show the results that exist; without the rules that make them, nothing is trained.
if not config["partial"]:

    include: "workflow/rules/download.smk"
    include: "workflow/rules/preprocess.smk"
    include: "workflow/rules/search.smk"
    include: "workflow/rules/retrain.smk"
    include: "workflow/rules/evaluate.smk"
    include: "workflow/rules/publish.smk"

else:

    include: "workflow/rules/partial.smk"


include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"


localrules:
    all,
    datasets,
    publications,
    architectures,
    evaluations,
    tables,
    figures,
    page,
    reference,
    compare,
    conclusions,


# The study: every table and figure of the run, its page, and the paper's own, recomputed from its printed results.
rule all:
    default_target: True
    input:
        rules.tables.input,
        rules.figures.input,
        rules.page.input,
        rules.reference.input,
