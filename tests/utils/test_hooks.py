"""The handle that takes a hook away."""

import copy
import gc
import pickle
import weakref
from collections import OrderedDict

from rushlight.utils.hooks import RemovableHandle


def test_remove():
    hooks, noted = OrderedDict(), OrderedDict()
    handle = RemovableHandle(hooks, extra_dict=noted)
    other = RemovableHandle(hooks, extra_dict=[noted])
    for h in (handle, other):
        hooks[h.id] = noted[h.id] = print
    handle.remove()
    handle.remove()
    assert (list(hooks), list(noted)) == ([other.id], [other.id])


def test_block():
    hooks = OrderedDict()
    with RemovableHandle(hooks) as handle:
        hooks[handle.id] = print
    assert not hooks


def test_it_keeps_nothing_alive():
    hooks = OrderedDict()
    handle = RemovableHandle(hooks)
    gone = weakref.ref(hooks)
    del hooks
    gc.collect()
    assert gone() is None
    handle.remove()


def test_pickling_with_the_hooks():
    hooks = OrderedDict()
    handle = RemovableHandle(hooks, extra_dict=hooks)
    hooks[handle.id] = len
    for again in (copy.deepcopy((hooks, handle)), pickle.loads(pickle.dumps((hooks, handle)))):
        copied, copied_handle = again
        assert copied == hooks
        copied_handle.remove()
        assert not copied
    assert len(hooks) == 1


def test_pickling_without_the_hooks():
    hooks = OrderedDict()
    handle = RemovableHandle(hooks)
    del hooks
    pickle.loads(pickle.dumps(handle)).remove()


def test_loaded_handles_do_not_take_new_ids():
    hooks = OrderedDict()
    handle = RemovableHandle(hooks)
    handle.id += 100
    pickle.loads(pickle.dumps(handle))
    assert RemovableHandle(hooks).id > handle.id
