-- +goose Up
-- Asking for codes locks nobody out: most of the limit is the asker's own, by address
-- and place, and whoever signs in from where they did before is not held up by others.
-- A place is a keyed digest of a network address, whose key stands here wrapped: the
-- few billion addresses that there are cannot be tried on a copy of the database.

create table installation_keys (
    purpose text not null,
    wrapped bytea not null,
    created_at timestamptz not null default now(),
    constraint installation_keys_pkey primary key (purpose)
);
comment on table installation_keys is 'keyrings that are no account''s, wrapped by the key service; reached only through a function';
alter table installation_keys enable row level security;
alter table installation_keys force row level security;
grant select, insert on installation_keys to imago_definer;
create policy installation_keys_definer on installation_keys to imago_definer using (true) with check (true);

alter table sessions add column ip_hash bytea;
create index sessions_place_idx on sessions (user_id, ip_hash);
comment on column sessions.ip_hash is 'the place that its code was asked from; null: nobody knows';

-- The functions below reach across accounts, as those of 00012 do and by the same rules.

-- For imago_api, with no proof: the keyring of a purpose; the offered one if there is
-- none yet, null if there is none and none is offered.
-- +goose StatementBegin
create function installation_key(purpose text, offered bytea) returns bytea
language plpgsql volatile security definer set search_path = ''
as $$
begin
    if offered is not null then
        insert into public.installation_keys as k (purpose, wrapped)
        values (installation_key.purpose, offered) on conflict on constraint installation_keys_pkey do nothing;
    end if;
    return (select k.wrapped from public.installation_keys k where k.purpose = installation_key.purpose);
end
$$;
-- +goose StatementEnd
comment on function installation_key(text, bytea) is 'a keyring of the installation itself; the first one that is offered stays';

-- +goose StatementBegin
create function knows_place(address text, place bytea) returns boolean
language sql stable security definer set search_path = ''
as $$
    select exists (
        select from public.users u
        join public.sessions s on s.user_id = u.id
        where u.email = lower(address) and s.ip_hash = place)
$$;
-- +goose StatementEnd
comment on function knows_place(text, bytea) is 'whether the person of an address has signed in from a place: in the last weeks, for sessions are purged';

-- +goose StatementBegin
create or replace function begin_sign_in(address text, client bytea, ip bytea)
returns table (id uuid, expires_at timestamptz)
language plpgsql volatile security definer set search_path = ''
as $$
begin
    -- Whoever asks at the same moment waits, so that the limits hold.
    perform pg_catalog.pg_advisory_xact_lock(7301, pg_catalog.hashtext(lower(address)));
    perform pg_catalog.pg_advisory_xact_lock(7302, pg_catalog.hashtext(encode(ip, 'hex')));
    if (select count(*) from public.sign_in_codes c
            where c.email = lower(address) and c.ip_hash = ip and c.created_at > now() - interval '1 hour') >= 5
        or (select count(*) from public.sign_in_codes c
            where c.ip_hash = ip and c.created_at > now() - interval '1 hour') >= 20 then
        raise exception 'too many sign-in codes were asked for' using errcode = 'IM001';
    end if;
    if not public.knows_place(address, ip)
        and (select count(*) from public.sign_in_codes c
            where c.email = lower(address) and c.created_at > now() - interval '1 hour'
                and not public.knows_place(address, c.ip_hash)) >= 20 then
        raise exception 'too many sign-in codes were asked for this address' using errcode = 'IM001',
            hint = 'try again in an hour, or from a network that you have signed in from before';
    end if;
    return query
        insert into public.sign_in_codes as c (email, client_hash, ip_hash)
        values (lower(address), client, ip)
        returning c.id, c.expires_at;
end
$$;
-- +goose StatementEnd
comment on function begin_sign_in(text, bytea, bytea) is 'begins a sign-in: at most 5 an hour for an address from one place, 20 from one place, and 20 for an address from places that it did not sign in from before';

-- +goose StatementBegin
create or replace function open_session(code uuid, client bytea, account uuid, account_name text, wrapped bytea,
    token_hash bytea, kind text, idle_for interval, lives_for interval)
returns table (id uuid, user_id uuid, idle_expires_at timestamptz, expires_at timestamptz, made boolean)
language plpgsql volatile security definer set search_path = ''
as $$
declare
    c public.sign_in_codes;
    person uuid;
    makes boolean := false;
begin
    select * into c from public.sign_in_codes s where s.id = code for update;
    if c.id is null or c.client_hash <> client or c.verified_at is null or c.used_at is not null
            or c.expires_at <= now() then
        raise exception 'no code was checked that this session could be opened with' using errcode = 'IM002';
    end if;
    update public.sign_in_codes s set used_at = now() where s.id = code;

    insert into public.users as u (email) values (c.email) on conflict on constraint users_email_key do nothing;
    select u.id into person from public.users u where u.email = c.email;

    if not exists (select from public.members m where m.account_id = account and m.user_id = person) then
        if wrapped is null or exists (select from public.members m where m.user_id = person)
                or exists (select from public.accounts a where a.id = account) then
            raise exception 'that account is not open to this person' using errcode = 'IM002';
        end if;
        makes := true;
        insert into public.accounts (id, name) values (account, account_name);
        insert into public.members (account_id, user_id, role) values (account, person, 'owner');
        insert into public.account_keys (account_id, wrapped) values (account, open_session.wrapped);
    end if;

    return query
        insert into public.sessions as s (account_id, user_id, token_hash, kind, idle_expires_at, expires_at, ip_hash)
        values (account, person, open_session.token_hash, open_session.kind,
            least(now() + idle_for, now() + lives_for), now() + lives_for, c.ip_hash)
        returning s.id, s.user_id, s.idle_expires_at, s.expires_at, makes;
end
$$;
-- +goose StatementEnd

-- +goose StatementBegin
do $$
begin
    execute 'grant create on schema public to imago_definer';
    execute 'alter function public.installation_key(text, bytea) owner to imago_definer';
    execute 'alter function public.knows_place(text, bytea) owner to imago_definer';
    execute 'revoke create on schema public from imago_definer';
    execute 'revoke execute on function public.installation_key(text, bytea) from public';
    execute 'revoke execute on function public.knows_place(text, bytea) from public';
    execute 'grant execute on function public.installation_key(text, bytea) to imago_api';
end
$$;
-- +goose StatementEnd
