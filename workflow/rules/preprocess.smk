# Raw files -> one HDF5 file per task, with a manifest beside it that drives reruns.


if config["source"] != "published":

    rule preprocess:
        input:
            raw=raw_manifest,
        output:
            data=f"{DATA}/{{task}}.h5",
            manifest=f"{DATA}/{{task}}.json",
        log:
            f"results/{config['data_run']}/logs/preprocess/{{task}}.log",
        conda:
            ENVIRONMENT
        resources:
            mem_mb=asked_by("preprocess", "mem_mb"),
            runtime=asked_by("preprocess", "runtime"),
            attempt=attempt_of("preprocess"),
        params:
            **code_params("preprocess.py", reader_of),
            **({"whole": config["scale"] == "paper"} if config["source"] == "benchmark" else {}),
            options=lambda wildcards: configuration.preprocess_options(config, wildcards.task),
            file_defaults=lambda wildcards: configuration.file_defaults(wildcards.task),
        script:
            "../scripts/preprocess.py"


rule datasets:
    input:
        RECORD.values(),
        expand(f"{DATA}/{{task}}.h5", task=TASKS),
