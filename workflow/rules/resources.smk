# What jobs ask a cluster for, by stage, attempt, and what the last attempt left.


def left_by(stage, wildcards):
    """What earlier attempts at a job of a stage may have left: failure.json, and what one wrote when it began."""
    if stage == "preprocess":
        failure = Path(DATA, wildcards.task, "failure.json")
        return failure, failure.with_name("begun.json")  # which such a job does not write
    key = wildcards.task, wildcards.method, wildcards.seed
    folders = paths.made_path(RESULTS, stage, key).parent, lock_folder(RESULTS, stage, key)
    if worker := wildcards.get("worker"):
        folders = tuple(worker_folder(folder, worker) for folder in folders)
    return folders[0] / "failure.json", folders[1] / "begun.json"


def attempt_of(stage):
    """A function: which attempt of this run at a job it is, from 1. A further one ends at once where it would fail again,
    but not by the reason of an earlier run, which somebody may have mended."""

    def value(wildcards, attempt):
        if attempt == 1:
            return 1
        failure, _ = left_by(stage, wildcards)
        return attempt if is_of_run(failure, settings_path(RUN)) else 1

    return of_each_job(value)


def asked_by(stage, resource):
    """A function of wildcards and attempt: what a job of a stage asks a cluster for."""

    def value(wildcards, attempt):
        return getattr(asked_of(stage, wildcards, attempt), resource)

    return of_each_job(value)


@lru_cache(maxsize=1)  # Snakemake asks for the resources of a job one after the other
def asked_of(stage, wildcards, attempt):
    """All that an attempt at a job of a stage asks for."""
    failure, begun = left_by(stage, wildcards)
    known = attempt == 1 or is_of_run(failure, settings_path(RUN))
    task, method = wildcards.task, wildcards.get("method")  # a data set has none
    return asked(usually_asked(stage, task, method, attempt), attempt, failure if known else None, begun)


@cache
def usually_asked(stage, task, method, attempt):
    """What an attempt at a job of a stage asks for, if nothing is known of the last one."""
    if stage in USUAL:  # these save nothing on the way, so what was too short has to be longer
        return replace(USUAL[stage], runtime=attempt * USUAL[stage].runtime)
    gpu = int(stage == "retrain" or configuration.trains(config, method))
    memory = EXPERIMENT_MB + config["data_memory_mb"]
    return Asked(gpu, runtimes.minutes(RUNTIMES, stage, task, method), memory)
