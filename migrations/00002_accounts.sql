-- +goose Up
create table accounts (
    id uuid not null default new_id(),
    name text not null,
    created_at timestamptz not null default now(),
    constraint accounts_pkey primary key (id),
    constraint accounts_name_length check (char_length(name) between 1 and 200)
);
comment on table accounts is 'our customers; every row and every object belongs to one';
alter table accounts enable row level security;
alter table accounts force row level security;

create table users (
    id uuid not null default new_id(),
    email text not null,
    created_at timestamptz not null default now(),
    constraint users_pkey primary key (id),
    constraint users_email_key unique (email),
    constraint users_email_form check (email = lower(email) and char_length(email) between 3 and 254)
);
comment on table users is 'persons who sign in; seen only through the members of one''s own account';
alter table users enable row level security;
alter table users force row level security;

create table members (
    account_id uuid not null,
    user_id uuid not null,
    role text not null,
    created_at timestamptz not null default now(),
    constraint members_pkey primary key (account_id, user_id),
    constraint members_account_fkey foreign key (account_id) references accounts (id),
    constraint members_user_fkey foreign key (user_id) references users (id),
    constraint members_role_known check (role in ('owner', 'admin', 'operator', 'auditor', 'viewer'))
);
create index members_user_idx on members (user_id);
comment on table members is 'which users may act in which account, and as what';
alter table members enable row level security;
alter table members force row level security;

create table sessions (
    id uuid not null default new_id(),
    account_id uuid not null,
    user_id uuid not null,
    token_hash bytea not null,
    kind text not null,
    created_at timestamptz not null default now(),
    seen_at timestamptz not null default now(),
    idle_expires_at timestamptz not null,
    expires_at timestamptz not null,
    revoked_at timestamptz,
    constraint sessions_pkey primary key (id),
    constraint sessions_token_hash_key unique (token_hash),
    constraint sessions_account_fkey foreign key (account_id) references accounts (id),
    constraint sessions_user_fkey foreign key (user_id) references users (id),
    constraint sessions_kind_known check (kind in ('cli', 'web')),
    constraint sessions_token_hash_length check (octet_length(token_hash) = 32)
);
create index sessions_user_idx on sessions (account_id, user_id);
create index sessions_expires_idx on sessions (expires_at);
comment on table sessions is 'who is signed in; the token itself is kept by the client alone';
alter table sessions enable row level security;
alter table sessions force row level security;

create table account_keys (
    account_id uuid not null,
    wrapped bytea not null,
    created_at timestamptz not null default now(),
    constraint account_keys_pkey primary key (account_id),
    constraint account_keys_account_fkey foreign key (account_id) references accounts (id)
);
comment on table account_keys is 'each account''s keyring, wrapped by the key service';
alter table account_keys enable row level security;
alter table account_keys force row level security;

create table sign_in_codes (
    id uuid not null default new_id(),
    email text not null,
    code_hash bytea,
    client_hash bytea not null,
    ip_hash bytea not null,
    tries int not null default 0,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null default now() + interval '10 minutes',
    verified_at timestamptz,
    used_at timestamptz,
    constraint sign_in_codes_pkey primary key (id),
    constraint sign_in_codes_email_form check (email = lower(email) and char_length(email) between 3 and 254),
    constraint sign_in_codes_tries_range check (tries between 0 and 5)
);
create index sign_in_codes_email_idx on sign_in_codes (email, created_at);
create index sign_in_codes_ip_idx on sign_in_codes (ip_hash, created_at);
create index sign_in_codes_created_idx on sign_in_codes (created_at);
comment on table sign_in_codes is 'attempts to sign in by a mailed code; reached only through functions';
alter table sign_in_codes enable row level security;
alter table sign_in_codes force row level security;

-- What the security definer functions may do here.
grant select, insert on accounts, users, members, sessions, account_keys to imago_definer;
grant select, insert, update, delete on sign_in_codes to imago_definer;
grant delete on sessions to imago_definer;
create policy accounts_definer on accounts to imago_definer using (true) with check (true);
create policy users_definer on users to imago_definer using (true) with check (true);
create policy members_definer on members to imago_definer using (true) with check (true);
create policy sessions_definer on sessions to imago_definer using (true) with check (true);
create policy account_keys_definer on account_keys to imago_definer using (true) with check (true);
create policy sign_in_codes_definer on sign_in_codes to imago_definer using (true) with check (true);
