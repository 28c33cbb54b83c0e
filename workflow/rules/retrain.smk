# The architecture found, trained from scratch and tested: data + architecture -> result.


rule retrain:
    input:
        data=ancient(f"{DATA}/{{task}}.h5"),
        manifest=f"{DATA}/{{task}}.json",
        architecture=f"{RESULTS}/search/{{task}}/{{method}}/{{seed}}/architecture.json",
    output:
        result=f"{RESULTS}/retrain/{{task}}/{{method}}/{{seed}}/result.json",
        history=f"{RESULTS}/retrain/{{task}}/{{method}}/{{seed}}/history.csv",
        model=f"{RESULTS}/retrain/{{task}}/{{method}}/{{seed}}/model.pt",
        cost=f"{RESULTS}/retrain/{{task}}/{{method}}/{{seed}}/cost.json",
    log:
        f"{RESULTS}/logs/retrain/{{task}}/{{method}}/{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/retrain/{{task}}/{{method}}/{{seed}}.tsv"
    conda:
        ENVIRONMENT
    threads: config["compute_threads"]  # cores to keep free; torch takes the number from params, however few there are
    resources:
        gpu=1,
        mem_mb=lambda wildcards, attempt: 16000 * attempt,
        runtime=lambda wildcards, attempt: 2880 * attempt,
        device=config["device"],
        checkpoints=f"{CHECKPOINTS}/retrain",
        checkpoint_seconds=str(config["checkpoint_seconds"]),
    params:
        **code_params(
            "retrain.py",
            lambda wildcards: f"tasks.{wildcards.task}",
            lambda wildcards: method_modules(wildcards.method, algorithm=False),
        ),
        space_name=lambda wildcards: settings.method(config, wildcards.method)["space"],
        space=lambda wildcards: settings.space_settings(config, wildcards.task, wildcards.method),
        settings=lambda wildcards: settings.retrain_settings(config, wildcards.task, wildcards.method),
        compute_threads=config["compute_threads"],
    script:
        "../scripts/retrain.py"


rule evaluations:
    input:
        cell_paths(f"{RESULTS}/retrain/{{task}}/{{method}}/{{seed}}/result.json"),
