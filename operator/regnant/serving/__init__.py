"""The model server: one verified bundle, answered over the Open Inference Protocol V2.

    __main__     open, prove, listen, drain: a pod's life from top to bottom
    settings     the environment, parsed once
    model        the ONNX graph and its session        graph_file   what a graph may not contain
    golden       the answers that it must reproduce    proof        all of that, in order
    cpus         how many threads it may use           executor     on the event loop or in a thread
    runtime      which ONNX Runtime, and which never
    routes       which path means what                 openapi      the same for tools
    inferring    one inference, from request to answer
    codec        requests and answers of V2            tabular      rows by column name, of V1
    tensors      one tensor as JSON                    binary       one tensor as raw bytes
    datatypes    V2, ONNX and numpy names of one type  wording      how refusals show things
    inflation    bodies that come compressed
    connection   answers in order, and until when they are waited for
    parsing      bytes to requests, and how large those may be
    exchange     a request while it comes in, waits and is answered
    messages     requests, responses and refusals      admission    how much is held at once
    listener     sockets, time-outs and draining       log          JSON lines
    reports      what the operator may ask about       query        the numbers in a question
    statistics   answers counted and timed             outcomes     a sample of what was answered
    scoring      label and score of an answer          identity     which version this is

Of the rest of Regnant only `regnant.artifacts` is imported, and constants of `regnant.api`. Nothing
here opens a connection, and no framework or model class stands between a request's bytes and
`session.run`.
"""

import os

# ONNX Runtime reports its use to its maker, by a database and over the network, unless it is told
# not to before it is imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
