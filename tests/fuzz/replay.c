/* Runs a fuzz target over the files of its corpus, without libFuzzer: what `make check` does with
 * every input that was ever worth keeping. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <glib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

int main(int argc, char **argv)
{
    unsigned n = 0;
    if (LLVMFuzzerInitialize)
        LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++) {
        g_autofree char *data = NULL;
        size_t size = 0;
        g_autoptr(GError) error = NULL;
        if (!g_file_get_contents(argv[i], &data, &size, &error)) {
            fprintf(stderr, "%s\n", error->message);
            return EXIT_FAILURE;
        }
        /* An exact copy, so that the sanitizer sees every step past its end. */
        g_autofree uint8_t *copy = g_memdup2(data, size);
        LLVMFuzzerTestOneInput(copy, size);
        n++;
    }
    printf("%s: %u inputs replayed\n", argv[0], n);
    return EXIT_SUCCESS;
}
