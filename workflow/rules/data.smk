# The images, prepared once into memory-mapped arrays that all jobs share.

DATA = str(STUDY.data_folder / "meta.json")


rule prepare_data:
    output:
        DATA,
    log:
        "logs/prepare_data.log",
    params:
        flags=flags_of(STUDY.params.selected.data, "data-"),
        root=DATA_ROOT,
    resources:
        mem_mb=2000,
        runtime=60,
    message:
        "Preparing the images ({STUDY.params.selected.data.source})"
    shell:
        "{ASGD} data {params.flags:q} --data-root {params.root:q} > {log:q} 2>&1"
