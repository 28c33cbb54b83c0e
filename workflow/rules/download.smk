# Where data come from: the simulators, the original sites, the benchmark's files or a mirror (raw files), or published data sets.
# Local rules: compute nodes often have no internet, and a simulation takes seconds. No retries of the rule, nor those of
# a profile: the client is patient with each request, and what it reports is not mended by asking again.

LOGS_OF_DATA = f"results/{config['data_run']}/logs"

if config["source"] == "simulated":

    rule download:
        output:
            f"{RAW}/{{task}}/files.json",
        log:
            f"{LOGS_OF_DATA}/download/{{task}}.log",
        localrule: True
        conda:
            ENVIRONMENT
        params:
            **code_params(
                "simulate.py",
                lambda wildcards: [f"tasks.{asked_task(wildcards)}.{room}" for room in ("spec", "simulator")],
            ),
            options=lambda wildcards: configuration.simulate_options(config, wildcards.task),
        script:
            "../scripts/simulate.py"

elif config["source"] in configuration.SOURCES:
    from nasperf360.data.fetched import Fetched
    from nasperf360.data.lock_file import lock_path
    from nasperf360.data.sources_file import read_sources, select

    with ending_the_run():
        SOURCES = select(
            read_sources(config["sources"]),
            list(dict.fromkeys(raw_owner(task, config["source"]) for task in TASKS)),
            config["sources"],
            config["source"],
        )

    rule download:
        output:
            f"{RAW}/{{task}}/files.json",
        log:
            f"{LOGS_OF_DATA}/download/{{task}}.log",
        retries: 0
        localrule: True
        conda:
            ENVIRONMENT
        resources:
            mirror=config["mirror"],
            lock=str(lock_path(config["sources"])),
        params:
            **code_params("download.py"),
            source=lambda wildcards: SOURCES[wildcards.task],
            refused=lambda wildcards: Fetched(Path(RAW, wildcards.task)).refused,
        script:
            "../scripts/download.py"

else:

    rule download:
        output:
            data=f"{DATA}/{{task}}.h5",
            manifest=f"{DATA}/{{task}}.json",
        log:
            f"{LOGS_OF_DATA}/download/{{task}}.log",
        retries: 0
        localrule: True
        conda:
            ENVIRONMENT
        resources:
            **{f"publish_{key}": config["publish"].get(key, "") for key in ("bucket", "prefix", "endpoint")},
            mirror=config["mirror"],
        params:
            **code_params("fetch_published.py"),
        script:
            "../scripts/fetch_published.py"
