# A method's search on a task: data -> architecture.


rule search:
    input:
        unpack(search_inputs),
    output:
        architecture=f"{RESULTS}/search/{{task}}/{{method}}/{{seed}}/architecture.json",
        history=f"{RESULTS}/search/{{task}}/{{method}}/{{seed}}/history.csv",
        cost=f"{RESULTS}/search/{{task}}/{{method}}/{{seed}}/cost.json",
    log:
        f"{RESULTS}/logs/search/{{task}}/{{method}}/{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/search/{{task}}/{{method}}/{{seed}}.tsv"
    conda:
        ENVIRONMENT
    threads: config["compute_threads"]  # cores to keep free; torch takes the number from params, however few there are
    resources:
        gpu=lambda wildcards: int(settings.trains(config, wildcards.method)),
        mem_mb=lambda wildcards, attempt: 16000 * attempt,
        runtime=lambda wildcards, attempt: 2880 * attempt,
        device=config["device"],
        checkpoints=f"{CHECKPOINTS}/search",
        checkpoint_seconds=str(config["checkpoint_seconds"]),
    params:
        **code_params(
            "search.py",
            lambda wildcards: f"tasks.{wildcards.task}",
            lambda wildcards: method_modules(wildcards.method, algorithm=True),
        ),
        method=lambda wildcards: settings.search_definition(config, wildcards.method),
        space=lambda wildcards: settings.space_settings(config, wildcards.task, wildcards.method),
        settings=lambda wildcards: settings.search_settings(config, wildcards.task, wildcards.method),
        compute_threads=config["compute_threads"],
    script:
        "../scripts/search.py"


rule architectures:
    input:
        cell_paths(f"{RESULTS}/search/{{task}}/{{method}}/{{seed}}/architecture.json"),
