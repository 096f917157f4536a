"""Print the paired difference between the engines' final accuracies, from the tables of the preset `engines`."""

from asgd.settings.study import load_params
from asgd.tables.files import read_table
from asgd.tables.statistics import equivalence_test, estimate_paired_difference

margin = load_params("params.yaml", "engines").claims.equivalence_points
runs = read_table("results/engines/tables/runs.csv")
for num_workers, group in runs.groupby("num_workers"):
    accuracy = group.pivot(index="seed", columns="engine", values="final_test_accuracy") * 100
    found = estimate_paired_difference(accuracy["reference"], accuracy["fused"])
    p_value = equivalence_test(accuracy["reference"], accuracy["fused"], -margin, margin)
    print(
        f"m = {num_workers}: reference {accuracy['reference'].mean():.2f} %, fused {accuracy['fused'].mean():.2f} %; "
        f"fused minus reference {found.mean:+.2f} points, 95 % interval [{found.low:+.2f}, {found.high:+.2f}], "
        f"{len(accuracy)} paired seeds; TOST within {margin:g} points: p = {p_value:.2g}"
    )
