"""The one table of late bindings: methods of low objects whose work lives in a higher or heavier room."""

from __future__ import annotations

from tracelib.late import resolver

TABLE = {
    "ExceptionNode.text": "tracelib.graph.failure:annotated",
    "Graph.render": "tracelib.render.picture:render",
    "Graph.to_dot": "tracelib.render.dot:to_dot",
    "Graph.to_networkx": "tracelib.graph.analysis:to_networkx",
    "Graph._repr_mimebundle_": "tracelib.render.card:graph_card",
    "Node.__origin_trace__": "tracelib.graph.origin:origin_trace",
    "Node.backward": "tracelib.feedback.backward:backward",
    "Node.call": "tracelib.graph.call:call_of",
    "Node.derived_name": "tracelib.graph.graph:derived_name",
    "Node.inputs": "tracelib.graph.links:inputs",
    "Node.parents": "tracelib.graph.links:parents",
    "Node._repr_mimebundle_": "tracelib.render.card:node_card",
    "Parameter": "tracelib.graph.parameter:Parameter",
    "Parameter.check": "tracelib.graph.constraint:check",
    "Parameter.feedback": "tracelib.feedback.feedback:joined",
    "awaited": "tracelib.graph.streams:awaited",
    "call": "tracelib.graph.bundle:call_value",
    "code": "tracelib.graph.code:CodeSlot",
    "confine": "tracelib.sandbox.confine:confine",
    "confined": "tracelib.sandbox.confine:by_default",
    "copying.copy": "tracelib.graph.copying:copy",
    "copying.deepcopy": "tracelib.graph.copying:deepcopy",
    "copying.reduce": "tracelib.graph.copying:reduce",
    "instance_parameters": "tracelib.graph.module:instance_parameters",
    "packed_node": "tracelib.graph.containers:packed_node",
    "seen": "tracelib.graph.containers:seen",
    "state.decode": "tracelib.graph.constraint:decode",
    "state.encode": "tracelib.graph.constraint:encode_parameter",
}

late = resolver(TABLE)
"""What the table binds a name to, imported on first use."""
