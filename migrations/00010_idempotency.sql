-- +goose Up
create table idempotency_keys (
    account_id uuid not null,
    user_id uuid not null,
    key text not null,
    method text not null,
    request_hash bytea not null,
    status int,
    response bytea,
    created_at timestamptz not null default now(),
    constraint idempotency_keys_pkey primary key (account_id, user_id, key),
    constraint idempotency_keys_account_fkey foreign key (account_id) references accounts (id),
    constraint idempotency_keys_key_length check (char_length(key) between 1 and 200),
    constraint idempotency_keys_request_hash_length check (octet_length(request_hash) = 32)
);
create index idempotency_keys_created_idx on idempotency_keys (created_at);
comment on table idempotency_keys is 'answers already given to requests that may be sent again; kept for a day';
comment on column idempotency_keys.response is 'sealed by the api';
alter table idempotency_keys enable row level security;
alter table idempotency_keys force row level security;
create policy idempotency_keys_own on idempotency_keys to imago_api
    using (account_id = (select current_account()) and user_id = (select current_user_id()));
grant select, insert (account_id, user_id, key, method, request_hash), update (status, response)
    on idempotency_keys to imago_api;
grant select (created_at), delete on idempotency_keys to imago_definer;
create policy idempotency_keys_definer on idempotency_keys to imago_definer using (true);
