# Processed data sets to an S3 bucket; a receipt says where they are. No part of `all`. A local rule: it needs the network.


rule publish:
    input:
        data=ancient(f"{DATA}/{{task}}.h5"),
        manifest=f"{DATA}/{{task}}.json",
    output:
        f"{RESULTS}/publish/{{task}}.json",
    log:
        f"{RESULTS}/logs/publish/{{task}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        **code_params("publish.py"),
        settings={key: config["publish"].get(key, "") for key in ("bucket", "prefix", "endpoint")},
    script:
        "../scripts/publish.py"


rule publications:
    input:
        RECORD.values(),
        expand(f"{RESULTS}/publish/{{task}}.json", task=TASKS),
