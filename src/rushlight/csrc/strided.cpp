#include "strided.h"

#include <algorithm>
#include <cstring>

#include "array.h"
#include "threads.h"

namespace rushlight {
namespace {

struct Walk {
    int ndim = 0;
    int64_t shape[max_ndim], src[max_ndim], dst[max_ndim];
};

// The dimensions in the order of the destination's memory, the longest stride first; neighbours
// that lie end to end on both sides become one.
Walk plan_walk(int ndim, const int64_t *shape, const int64_t *src, const int64_t *dst) {
    int order[max_ndim];
    int n = 0;
    for (int i = 0; i < ndim; ++i) {
        if (shape[i] != 1) order[n++] = i;
    }
    const auto length = [&](int i) { return dst[i] < 0 ? -dst[i] : dst[i]; };
    std::stable_sort(order, order + n, [&](int i, int j) { return length(i) > length(j); });
    Walk walk;
    for (int k = 0; k < n; ++k) {
        const int i = order[k];
        const int last = walk.ndim - 1;
        if (last >= 0 && walk.dst[last] == dst[i] * shape[i] &&
            walk.src[last] == src[i] * shape[i]) {
            walk.shape[last] *= shape[i];
            walk.src[last] = src[i];
            walk.dst[last] = dst[i];
        } else {
            walk.shape[walk.ndim] = shape[i];
            walk.src[walk.ndim] = src[i];
            walk.dst[walk.ndim++] = dst[i];
        }
    }
    if (walk.ndim == 0) {
        walk.shape[0] = 1;
        walk.src[0] = walk.dst[0] = 0;
        walk.ndim = 1;
    }
    return walk;
}

template <typename T>
void copy_run(int64_t n, const T *src, int64_t src_stride, T *dst, int64_t dst_stride) {
    if (src_stride == 1 && dst_stride == 1) {
        std::memcpy(dst, src, size_t(n) * sizeof(T));
        return;
    }
    for (int64_t i = 0; i < n; ++i) dst[i * dst_stride] = src[i * src_stride];
}

template <typename T>
void copy_walk(const Walk &walk, const T *src, T *dst) {
    const int inner = walk.ndim - 1;
    const int64_t run = walk.shape[inner];
    int64_t rows = 1;
    for (int i = 0; i < inner; ++i) rows *= walk.shape[i];
    const int64_t grain = std::max<int64_t>(1, 65536 / std::max<int64_t>(run, 1));
    parallel_for(rows, grain, [&](int64_t begin, int64_t end) {
        int64_t index[max_ndim];
        int64_t rest = begin, s = 0, d = 0;
        for (int i = inner - 1; i >= 0; --i) {
            index[i] = rest % walk.shape[i];
            rest /= walk.shape[i];
            s += index[i] * walk.src[i];
            d += index[i] * walk.dst[i];
        }
        for (int64_t row = begin; row < end; ++row) {
            copy_run(run, src + s, walk.src[inner], dst + d, walk.dst[inner]);
            for (int i = inner - 1; i >= 0; --i) {
                s += walk.src[i];
                d += walk.dst[i];
                if (++index[i] < walk.shape[i]) break;
                s -= walk.src[i] * walk.shape[i];
                d -= walk.dst[i] * walk.shape[i];
                index[i] = 0;
            }
        }
    });
}

}  // namespace

void copy_strided(int itemsize, int ndim, const int64_t *shape, const void *src,
                  const int64_t *src_strides, void *dst, const int64_t *dst_strides) {
    for (int i = 0; i < ndim; ++i) {
        if (shape[i] == 0) return;
    }
    const Walk walk = plan_walk(ndim, shape, src_strides, dst_strides);
    switch (itemsize) {
        case 1:
            return copy_walk(walk, static_cast<const uint8_t *>(src), static_cast<uint8_t *>(dst));
        case 2:
            return copy_walk(walk, static_cast<const uint16_t *>(src),
                             static_cast<uint16_t *>(dst));
        case 4:
            return copy_walk(walk, static_cast<const uint32_t *>(src),
                             static_cast<uint32_t *>(dst));
        case 8:
            return copy_walk(walk, static_cast<const uint64_t *>(src),
                             static_cast<uint64_t *>(dst));
        default:
            fail("copy_strided: expected elements of 1, 2, 4 or 8 bytes, got " +
                 std::to_string(itemsize));
    }
}

void fill_zero_strided(int itemsize, int ndim, const int64_t *shape, void *dst,
                       const int64_t *dst_strides) {
    const int64_t zero = 0;
    const int64_t still[max_ndim] = {};
    copy_strided(itemsize, ndim, shape, &zero, still, dst, dst_strides);
}

}  // namespace rushlight
