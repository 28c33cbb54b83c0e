# What the run was asked for, written down by a job: `onstart`, which does the same, is the main workflow's alone. Status,
# verification and comparison read it, and each start refuses another scale or source in the same folder.

RECORD = {"run": f"{RESULTS}/run.json", "study": f"{RESULTS}/study.json"}


# Before all others. Tables read the study; no experiment does: without the file each would run again.
rule record_study:
    output:
        run=update(RECORD["run"]),
        study=update(RECORD["study"]),
    log:
        f"{RESULTS}/logs/record_study.log",
    priority: 1000
    localrule: True
    conda:
        ENVIRONMENT
    params:
        **code_params("record_study.py"),
        run=RUN,
        about=runs.about(config),
        asked_sha256=lambda wildcards: digest_json(asked_for()["study"]),
        asked=untracked(asked_for),  # which would fill a screen where its digest says enough
    script:
        "../scripts/record_study.py"
