/* openapi/openapi.yaml, turned into JSON by the Makefile, as it is served at /openapi.json. */
        .section .rodata
        .global OPENAPI_JSON, OPENAPI_JSON_END
OPENAPI_JSON:
        .incbin OPENAPI_PATH
OPENAPI_JSON_END:
        .byte 0
        .section .note.GNU-stack, "", @progbits
