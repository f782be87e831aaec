"""Array libraries and the extension: what computes, below everything that knows a tensor."""
