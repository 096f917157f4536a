# When a product has to be made again: where the contents of its inputs, the code that its script imports, its settings
# or its own files are not those that its job recorded (asgd.study.freshness). Times decide nothing.

import atexit
import uuid

from asgd.study.freshness import Products, list_files

PRODUCTS = Products(Path(RESULTS, ".made"), Path(workflow.basedir, "workflow/scripts"))
# To Snakemake a product is to be made again if an input is newer. This one is, as long as the process runs.
_CHANGED = Path(f".snakemake/changed-{uuid.uuid4().hex}")
_noticed = set()


def fresh_inputs(name):
    """The inputs of a product, for the main process with what makes Snakemake see whether it is up to date."""
    product = PRODUCTS[name]
    # A job that starts elsewhere, on a cluster, was planned by the main process and is made whatever is there.
    if not workflow.is_main_process:
        return product.inputs
    if PRODUCTS.exists(name) and (change := PRODUCTS.find_change(name)):
        _notice(name, change)
        return {**product.inputs, "changed": str(_CHANGED)}
    # Times count only where somebody names rules to be run again: then as Snakemake's users are used to.
    if PRODUCTS.is_fresh(name) and not workflow.dag_settings.forcerun:
        return {key: ancient(files) for key, files in product.inputs.items()}
    return product.inputs


def _notice(name, change):
    if name in _noticed:
        return
    _noticed.add(name)
    logger.info(f"{name}: to be made again: {change}")
    if not _CHANGED.exists():
        _CHANGED.parent.mkdir(exist_ok=True)
        _CHANGED.touch()
        atexit.register(_CHANGED.unlink, missing_ok=True)
    made = [Path(file).stat().st_mtime for file in list_files(PRODUCTS[name].outputs) if Path(file).exists()]
    newest = max([_CHANGED.stat().st_mtime, *[when + 1 for when in made]])
    os.utime(_CHANGED, (newest, newest))
