# Processed data sets to an S3 bucket, and with publish.results the results of a run; receipts say where they are. No part
# of `all`. Local rules: they need the network.

PLACE = {key: config["publish"][key] for key in ("bucket", "prefix", "endpoint")}
PUBLISHED = f"{RESULTS}/publish/results/{{task}}/{{method}}/{{seed}}"
RECEIPTS = [
    *expand(f"{RESULTS}/publish/{{task}}.json", task=TASKS),
    *(experiment_paths(f"{PUBLISHED}/receipt.json") if config["publish"]["results"] else []),
]


rule publish:
    input:
        unpack(published_data),
    output:
        f"{RESULTS}/publish/{{task}}.json",
    log:
        f"{RESULTS}/logs/publish/{{task}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        **code_params("publish.py"),
        settings=PLACE,
        redistribution=redistribution,
        accepted=config["publish"]["accept_licences"],
    script:
        "../scripts/publish.py"


rule publish_results:
    input:
        f"{RESULTS}/evaluate/{{task}}/{{method}}/{{seed}}/result.json",
        trained_architecture,
        f"{RESULTS}/retrain/{{task}}/{{method}}/{{seed}}/model.pt",
        [PREDICTIONS] if config["keep_predictions"] else [],
    output:
        manifest=f"{PUBLISHED}/bundle.json",
        receipt=f"{PUBLISHED}/receipt.json",
    log:
        f"{RESULTS}/logs/publish/results/{{task}}/{{method}}/{{seed}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        **code_params("publish_results.py"),
        settings=PLACE,
        run=RUN,
    script:
        "../scripts/publish_results.py"


# Last, and of all that lies in the bucket, whoever published it.
rule publish_index:
    input:
        receipts=RECEIPTS,
        sources=local(config["sources"]),
    output:
        list=f"{RESULTS}/publish/index/index.json",
        page=f"{RESULTS}/publish/index/index.html",
        receipt=f"{RESULTS}/publish/index/receipt.json",
    log:
        f"{RESULTS}/logs/publish/index.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        **code_params("publish_index.py", *task_labels(RUN), *method_labels(RUN)),
        settings=PLACE,
    script:
        "../scripts/publish_index.py"


rule publications:
    input:
        RECORD.values(),
        RECEIPTS,
        f"{RESULTS}/publish/index/receipt.json",
