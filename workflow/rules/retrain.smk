# The architecture found, trained from scratch: data + architecture -> network, and its predictions for the test split.

PREDICTIONS = f"{RESULTS}/retrain/{{task}}/{{method}}/{{seed}}/predictions.h5"


RETRAIN_CODE = unnamed_code_params("retrain.py", modules_of("retrain"))


rule retrain:
    input:
        data=ancient(f"{DATA}/{{task}}.h5"),
        manifest=f"{DATA}/{{task}}.json",
        architecture=trained_architecture,
    output:
        history=f"{RESULTS}/retrain/{{task}}/{{method}}/{{seed}}/history.csv",
        model=f"{RESULTS}/retrain/{{task}}/{{method}}/{{seed}}/model.pt",
        # Temporary ones are deleted once evaluated, and no reason to train again.
        predictions=PREDICTIONS if config["keep_predictions"] else temp(PREDICTIONS),
        cost=f"{RESULTS}/retrain/{{task}}/{{method}}/{{seed}}/cost.json",
    log:
        f"{RESULTS}/logs/retrain/{{task}}/{{method}}/{{seed}}.log",
    conda:
        ENVIRONMENT
    threads: config["compute_threads"]  # cores to keep free; torch takes the number from params, however few there are
    resources:
        gpu=asked_by("retrain", "gpu"),
        mem_mb=asked_by("retrain", "mem_mb"),
        runtime=asked_by("retrain", "runtime"),
        attempt=attempt_of("retrain"),
        device=config["device"],
        checkpoints=f"{CHECKPOINTS}/retrain",
        checkpoint_seconds=str(config["checkpoint_seconds"]),
        data_memory=str(config["data_memory_mb"]),
        jobs_per_gpu=str(config["jobs_per_gpu"]),
    params:
        *RETRAIN_CODE.files,
        **RETRAIN_CODE.named,
        space_name=of_method(space_of),
        space=of_pair(space_settings),
        settings=of_pair(retrain_settings),
        compute_threads=config["compute_threads"],
    script:
        "../scripts/retrain.py"
