/* collection.c: see collection.h. Sizes are those of http://yann.lecun.com/exdb/mnist, sums those that the mirrors'
 * users publish (torchvision, TensorFlow Datasets). */
#include "collection.h"
#include "data.h"
#include "number.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct collection table[] = {
    {.name = "fashion-mnist",
     .system = DATA_DEFAULT_DIR,
     .hint = "Debian's package dataset-fashion-mnist has it (apt install dataset-fashion-mnist)"},
    {.name = "mnist",
     .hint = "\"trainbot-train data fetch mnist\" gets it",
     .mirrors = {"https://ossci-datasets.s3.amazonaws.com/mnist", "https://storage.googleapis.com/cvdf-datasets/mnist"},
     .files =
         {{"train-images-idx3-ubyte.gz", 9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"},
          {"train-labels-idx1-ubyte.gz", 28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"},
          {"t10k-images-idx3-ubyte.gz", 1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"},
          {"t10k-labels-idx1-ubyte.gz", 4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"}}},
};
#define TABLE (sizeof table / sizeof *table)

const struct collection *collections(size_t *ret_count) {
    *ret_count = TABLE;
    return table;
}

const struct collection *collection_find(const char *name) {
    for (size_t i = 0; i < TABLE; i++)
        if (strcmp(table[i].name, name) == 0) return &table[i];
    return NULL;
}

int collection_home(const struct collection *collection, char *path, char *error) {
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    int length;
    if (data != NULL && *data == '/') { /* the specification has relative ones ignored */
        length = snprintf(path, COLLECTION_PATH_MAX, "%s/trainbot/%s", data, collection->name);
    } else if (home != NULL && *home == '/') {
        length = snprintf(path, COLLECTION_PATH_MAX, "%s/.local/share/trainbot/%s", home, collection->name);
    } else {
        snprintf(error, APP_ERROR_SIZE, "neither XDG_DATA_HOME nor HOME says where %s belongs", collection->name);
        return -1;
    }
    if (length < COLLECTION_PATH_MAX) return 0;
    snprintf(error, APP_ERROR_SIZE, "the path of the folder of %s is too long", collection->name);
    return -1;
}

int collection_folder(const struct collection *collection, char *path, char *error) {
    struct stat info;
    int rc = collection_home(collection, path, error);
    if (rc == 0 && stat(path, &info) == 0) return 0;
    if (collection->system == NULL) return rc;
    snprintf(path, COLLECTION_PATH_MAX, "%s", collection->system);
    return 0;
}
