# The images, prepared once into memory-mapped arrays that all jobs share.

DATA = str(STUDY.data_folder / "meta.json")


rule prepare_data:
    output:
        DATA,
    log:
        "logs/prepare_data.log",
    params:
        settings=STUDY.params.selected.data.model_dump_json(exclude_defaults=True),
        root=DATA_ROOT,
    resources:
        mem_mb=2000,
        runtime=60,
    message:
        "Preparing the images ({STUDY.params.selected.data.source})"
    shell:
        "printf '%s' {params.settings:q} |"
        " {ASGD} data --settings - --data-root {params.root:q} > {log:q} 2>&1"
