"""The attributes that ``cost`` writes."""

COST = "mlflow.llm.cost"
"""JSON: ``input_cost``, ``output_cost``, ``total_cost`` in USD."""

RULE = "spangate.cost.rule"
"""What the price is from: an entry of the catalogue, a rule of the user, or a report."""

CATALOGUE = "spangate.cost.catalogue"
"""Name, version and date of the catalogue, where it said the price."""

REPORTED = "spangate.cost.reported_usd"
"""What the instrumentation reported, while costs are compared."""

DIFFERENCE = "spangate.cost.difference_usd"
"""How much more ours is than the reported cost, while costs are compared."""

WRITTEN_KEYS = (COST, RULE, CATALOGUE, REPORTED, DIFFERENCE)
