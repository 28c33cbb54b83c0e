# The metric of a trained network: its saved predictions + the labels of the test split -> result. No GPU, no torch.


EVALUATE_CODE = unnamed_code_params("evaluate.py", modules_of("evaluate"))


rule evaluate:
    input:
        data=ancient(f"{DATA}/{{task}}.h5"),
        manifest=f"{DATA}/{{task}}.json",
        predictions=ancient(PREDICTIONS),
        cost=f"{RESULTS}/retrain/{{task}}/{{method}}/{{seed}}/cost.json",  # names the predictions by digest
    output:
        f"{RESULTS}/evaluate/{{task}}/{{method}}/{{seed}}/result.json",
    log:
        f"{RESULTS}/logs/evaluate/{{task}}/{{method}}/{{seed}}.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=asked_by("evaluate", "mem_mb"),
        runtime=asked_by("evaluate", "runtime"),
        attempt=attempt_of("evaluate"),
    params:
        *EVALUATE_CODE.files,
        **EVALUATE_CODE.named,
    script:
        "../scripts/evaluate.py"


rule evaluations:
    input:
        RECORD.values(),
        experiment_paths(f"{RESULTS}/evaluate/{{task}}/{{method}}/{{seed}}/result.json"),
