# Which modules jobs load by name, and so which code they rest on beside their scripts and what these import.


def modules_of(stage):
    """A function of wildcards: the modules that a stage of an experiment loads by name."""

    @cache
    def modules(task, name):
        settings = search_settings(task, name)["search"] if stage == "search" else {}
        return stage_modules(stage, task, configuration.method(config, name), settings)

    return of_pair(modules)


def reader_of(wildcards):
    """Modules that read a task's raw files."""
    return [f"tasks.{wildcards.task}.{room}" for room in ("spec", reader(config["source"]))]


def tasks_of(run):
    """Tasks in the tables of a run."""
    return list(PAPER_TASKS) if run == "reference" else TASKS


def task_labels(run):
    """Modules that the tables of a run take the titles of tasks from."""
    return label_modules("tasks", tasks_of(run))


def task_specs(run):
    """Modules that the tables of a run take metrics, kinds and raw data of tasks from."""
    return [f"tasks.{task}.spec" for task in tasks_of(run)]


def method_labels(run):
    """Modules that the tables and figures of a run take the titles of spaces and algorithms from."""
    methods = [*(PAPER_METHODS if run == "reference" else METHODS), BASELINE]
    spaces, algorithms = zip(*map(halves, methods))
    return [*label_modules("spaces", spaces), *label_modules("algorithms", algorithms)]


def task_metrics(tasks):
    """Modules that the tests of samples of these tasks load."""
    rooms = [(task, room) for task in tasks for room in ("spec", "metric", "per_sample")]
    return [f"tasks.{task}.{room}" for task, room in rooms if has_room("tasks", task, room)]
