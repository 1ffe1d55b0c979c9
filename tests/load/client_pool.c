#include "tests/load/client_private.h"

#include "common/mem.h"

static void before_poll(uv_prepare_t *handle)
{
    client_flush_all(handle->data);
}

static void after_poll(uv_check_t *handle)
{
    client_flush_all(handle->data);
}

struct client_pool *client_pool_new(uv_loop_t *loop, const struct client_settings *settings)
{
    struct client_pool *p = mem_zalloc(sizeof(*p));

    p->loop = loop;
    p->settings = *settings;
    if (settings->options->security != SECURITY_PLAIN && !(p->has_tls = tls_context_init(&p->tls))) {
        free(p);
        return NULL;
    }
    p->received = mem_alloc(CLIENT_RECEIVE_BYTES);
    (void)uv_prepare_init(loop, &p->before_poll);
    (void)uv_check_init(loop, &p->after_poll);
    p->before_poll.data = p->after_poll.data = p;
    (void)uv_prepare_start(&p->before_poll, before_poll);
    (void)uv_check_start(&p->after_poll, after_poll);
    return p;
}

void client_pool_close(struct client_pool *p)
{
    p->is_closing = true;
    for (uint32_t i = 0; i < p->n_clients; i++)
        client_close(p->clients[i], NULL);
    uv_close((uv_handle_t *)&p->before_poll, NULL);
    uv_close((uv_handle_t *)&p->after_poll, NULL);
}

void client_pool_free(struct client_pool **pool)
{
    struct client_pool *p = *pool;

    if (p == NULL)
        return;
    for (uint32_t i = 0; i < p->n_clients; i++) {
        struct client *c = p->clients[i];
        free(c->group);
        free(c->jid);
        free(c->resume_id);
        free(c->why);
        SSL_SESSION_free(c->session);
        if (c->keys != NULL)
            sasl_keys_deinit(c->keys);
        free(c->keys);
        free(c);
    }
    free(p->clients);
    if (p->has_tls)
        tls_context_deinit(&p->tls);
    buf_deinit(&p->plain);
    free(p->received);
    free(p);
    *pool = NULL;
}

struct client *client_new(struct client_pool *p, uint32_t index)
{
    struct client *c = mem_zalloc(sizeof(*c));

    c->pool = p;
    c->index = index;
    c->fd = -1;
    if ((p->n_clients & (p->n_clients - 1)) == 0) /* room for as many again, whenever it is full */
        p->clients =
            mem_realloc(p->clients, (p->n_clients == 0 ? 1 : 2 * (size_t)p->n_clients) * sizeof(struct client *));
    p->clients[p->n_clients++] = c;
    return c;
}

uint64_t client_pool_handshakes(const struct client_pool *p, uint64_t *ret_resumed)
{
    *ret_resumed = p->resumed;
    return p->handshakes;
}
