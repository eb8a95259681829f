"""How fast the model server is, beside the other model servers and beside what could be at all.

    python -m e2e.bench.serving --write

Each peer is built in an environment of its own from what is locked in `peers/`, gets the same core,
the same ONNX file in the same runtime and the same rows, and is asked in turns by the same load.
Before anything is timed, every answer is held against Regnant's.

    environments   the peers' Python environments, nginx, and the load, built once into the cache
    models         two classifiers, their bundles and their rows
    wire           questions as they go over the wire, and what the answers say
    servers        each server in a process, asked when it is ready, and what it uses
    generator      the load: a program in Go, in `load/`
    turns          everyone asked in turns
    cases          what is measured, and the tables that it makes
    picture        the same, drawn
"""
