# A method's search on a task: data -> architecture.


SEARCH_CODE = unnamed_code_params("search.py", modules_of("search"))


rule search:
    input:
        unpack(search_inputs),
    output:
        architecture=f"{RESULTS}/search/{{task}}/{{method}}/{{seed}}/architecture.json",
        history=f"{RESULTS}/search/{{task}}/{{method}}/{{seed}}/history.csv",
        cost=f"{RESULTS}/search/{{task}}/{{method}}/{{seed}}/cost.json",
    log:
        f"{RESULTS}/logs/search/{{task}}/{{method}}/{{seed}}.log",
    conda:
        ENVIRONMENT
    threads: config["compute_threads"]  # cores to keep free; torch takes the number from params, however few there are
    resources:
        gpu=asked_by("search", "gpu"),
        mem_mb=asked_by("search", "mem_mb"),
        runtime=asked_by("search", "runtime"),
        attempt=attempt_of("search"),
        device=config["device"],
        checkpoints=f"{CHECKPOINTS}/search",
        checkpoint_seconds=str(config["checkpoint_seconds"]),
        data_memory=str(config["data_memory_mb"]),
        jobs_per_gpu=str(config["jobs_per_gpu"]),
    params:
        *SEARCH_CODE.files,
        **SEARCH_CODE.named,
        method=of_method(search_definition),
        space=of_pair(space_settings),
        settings=of_pair(search_settings),
        compute_threads=config["compute_threads"],
    script:
        "../scripts/search.py"


# One of the jobs that share the trials of a search, where its settings have `workers`; `search` waits for all and chooses.
use rule search as search_worker with:
    input:
        unpack(worker_inputs),
    output:
        cost=f"{RESULTS}/search/{{task}}/{{method}}/{{seed}}/workers/{{worker}}/cost.json",
    log:
        f"{RESULTS}/logs/search/{{task}}/{{method}}/{{seed}}/workers/{{worker}}.log",


rule architectures:
    input:
        RECORD.values(),
        experiment_paths(f"{RESULTS}/search/{{task}}/{{method}}/{{seed}}/architecture.json", SEARCH_SEEDS),
