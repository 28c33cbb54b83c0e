# What jobs start from, where that is more than a path.


def raw_manifest(wildcards):
    """The list of the raw files that a task's data set is made of."""
    return f"{RAW}/{raw_owner(asked_task(wildcards), config['source'])}/files.json"


@cache
def limiting(task, method):
    """The method whose networks limit the size of this one's; None if nothing does. What cannot run ends the run."""
    if (task, method) not in EXPERIMENTS:
        with ending_the_run():
            configuration.check_experiment(config, task, method)
    return configuration.method(config, method).get("size_limit", {}).get("method")


@of_each_job
def search_data(wildcards):
    """The data, and the searched network that limits the size of this one, where the method has such a limit."""
    inputs = {
        "manifest": f"{DATA}/{wildcards.task}.json",
        "data": ancient(f"{DATA}/{wildcards.task}.h5"),
    }
    limit = limiting(wildcards.task, wildcards.method)
    if limit:
        inputs["size_limit"] = f"{RESULTS}/search/{wildcards.task}/{limit}/{wildcards.seed}/architecture.json"
    return inputs


@cache
def workers_of(task, method):
    """How many jobs share a search."""
    workers = search_settings(task, method)["search"].get("workers", 1)
    if workers > 1 and IN_BUCKET:
        sys.exit(
            "Error: workers: they share a folder of checkpoints, and there is none with --default-storage-provider; set "
            "workers: 1 (docs/cluster.md)"
        )
    return workers


def worker_inputs(wildcards):
    """What one of several workers starts from; a target that names more than there are ends the run."""
    workers = workers_of(wildcards.task, wildcards.method)
    if workers == 1 or not 1 <= int(wildcards.worker) <= workers:
        sys.exit(
            f"Error: worker {wildcards.worker} of {wildcards.method} on {wildcards.task}: its search has workers: {workers}"
        )
    return search_data(wildcards)


@of_each_job
def search_inputs(wildcards):
    """What a search starts from, and the costs of the workers that share it, where there are several."""
    inputs = search_data(wildcards)
    workers = workers_of(wildcards.task, wildcards.method)
    if workers > 1:
        made = paths.made_path(RESULTS, "search", (wildcards.task, wildcards.method, wildcards.seed)).parent
        inputs["workers"] = [f"{worker_folder(made, worker)}/cost.json" for worker in range(1, workers + 1)]
    return inputs


@of_each_job
def trained_architecture(wildcards):
    """What the search found that a seed trains: its own, or one that seeds share."""
    found = paths.search_seed(int(wildcards.seed), SEARCHES)
    return f"{RESULTS}/search/{wildcards.task}/{wildcards.method}/{found}/architecture.json"


@cache
def terms():
    """What the sources file says for those who pass data on, by the task that owns the raw files."""
    with ending_the_run():
        return read_terms(config["sources"])


def terms_of(task):
    """Those of a task's raw files; empty if nothing is said."""
    return terms().get(raw_owner(task, config["source"]), {})


def redistribution(wildcards):
    """Whether what is made from a task's data may be passed on; None if nothing is said."""
    return terms_of(wildcards.task).get("redistribution")


def published_data(wildcards):
    """The data set to publish; one that its licence keeps back ends the run before anything is made."""
    task, said = asked_task(wildcards), terms_of(wildcards.task)
    if said and config["source"] not in ("simulated", "published"):  # of these the manifest says what they are
        manifest = {"task": task, "origin": config["source"], "licence": said["licence"]}
        with ending_the_run():
            check_redistribution(manifest, said["redistribution"], config["publish"]["accept_licences"])
    return {"data": ancient(f"{DATA}/{task}.h5"), "manifest": f"{DATA}/{task}.json"}


def recorded_study(wildcards):
    """What the run was asked for, as an input: who reads it looks results up beside it, on disk."""
    if IN_BUCKET:
        sys.exit(
            "Error: --default-storage-provider: tables, figures and pages are made of results on disk; ask for evaluations, "
            f"then fetch {RESULTS} from the bucket and give the command without that option (docs/cluster.md)"
        )
    return RECORD["study"]


def architectures_of(method):
    """What the method found on each task and in each search; with ``partial``, of those that exist."""
    return [
        path
        for path in experiment_paths(f"{RESULTS}/search/{{task}}/{{method}}/{{seed}}/architecture.json", SEARCH_SEEDS)
        if path.split("/")[-3] == method
    ]


def seeds_of(wildcards):
    """The scores of each seed, as an input; of the paper's results only mean and deviation are printed."""
    return {} if wildcards.run == "reference" else {"scores": f"{RESULTS}/tables/scores.csv"}


# Functions, not lists: in a large study these are long, and Snakemake would take them apart for each rule that might run.


def results_of_study(wildcards):
    """What a table of all experiments is made of; with ``partial`` nothing that Snakemake would make."""
    return [] if config["partial"] else [paths.result_path(RESULTS, key) for key in STUDY]


def costs_of_study(wildcards):
    """What all searches and trainings cost, likewise."""
    return [] if config["partial"] else paths.cost_paths(RESULTS, STUDY, SEARCHES)


def histories_of_study(wildcards):
    """How they got on, likewise."""
    return [] if config["partial"] else paths.history_paths(RESULTS, STUDY, SEARCHES)


def page_inputs(wildcards):
    """What the page of a run shows beside what it looks up of each experiment; the paper's results have no experiments."""
    if wildcards.run == "reference":
        return {}
    inputs = {
        "study": recorded_study(wildcards),
        "samples": SAMPLES,
        "architectures": [path for path in expand(ARCHITECTURES, method=DRAWN) if path.endswith(".png")],
        "curves": f"{RESULTS}/figures/curves.csv",
        "costs": f"{RESULTS}/figures/cost.csv",
    }
    if not config["partial"]:
        inputs |= {"results": results_of_study(wildcards), "spent": costs_of_study(wildcards)}
    return inputs


def compared(run):
    """What a comparison rests on, as params: nothing is made for it."""
    if run == "reference":
        return {}
    try:
        if run == RUN:
            # Its study is the one asked for now, which is recorded before the job starts.
            runs.check_own(RUN, STUDY)
            experiments = STUDY
        else:
            experiments = runs.read_study(Path(f"results/{run}")).experiments
    except UserError as error:
        sys.exit(f"Error: compare: {error}")
    return results.snapshot(f"results/{run}", experiments)


def started(run):
    """The same as ``compared`` of a run that may not be there yet."""
    return compared(run) if Path(f"results/{run}/study.json").is_file() else {}


def comparisons_of(wildcards):
    """The pages of the runs that the key ``compare`` names."""
    if not config["compare"]:
        sys.exit("Error: compare: name another run, --config run=<run> compare=<other run>; or compare=reference")
    return [f"{RESULTS}/compare/{other}/index.html" for other in config["compare"]]


def conclusions_of(wildcards):
    """Table and figure of the corrected choices that the key ``conclusions`` names."""
    if not config["conclusions"]:
        sys.exit(
            "Error: conclusions: name the runs of corrected choices, --config run=<run> 'conclusions=[<run>, ...]'"
        )
    return [
        *expand(f"{RESULTS}/tables/conclusions.{{form}}", form=FORMS),
        *expand(f"{RESULTS}/figures/conclusions.{{form}}", form=PICTURE_FORMS),
    ]
