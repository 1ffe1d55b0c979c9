/* tests/fuzz/replay_main.c - runs a fuzz target over files, for compilers without libFuzzer and for debuggers. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void replay(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = NULL;
    size_t size = 0, cap = 0;

    if (f == NULL) {
        perror(path);
        exit(1);
    }
    do {
        cap = cap * 2 + 4096;
        data = realloc(data, cap);
        if (data == NULL)
            abort();
        size += fread(data + size, 1, cap - size, f);
    } while (size == cap);
    fclose(f);
    (void)LLVMFuzzerTestOneInput(data, size);
    free(data);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    printf("%d inputs\n", argc - 1);
    return 0;
}
