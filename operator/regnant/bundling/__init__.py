"""`regnant bundle`: a model that was made elsewhere, from its ONNX file to what the cluster takes.

    order        what is asked for, in one record    errors       refused, misused, out of reach
    interface    tensors, as the graph has them      rows         golden rows, as a person has them
    parity       the framework's answers and ours    packing      signature, golden rows and card
    registry     where the bundle goes               logins       who may put it there
    manifest     the ModelVersion to apply           making       all of that, in order

It runs on a person's machine, and asks no cluster. Whether a bundle may be served is decided by the
server's own code, so nothing is checked here that a server would check otherwise.
"""
