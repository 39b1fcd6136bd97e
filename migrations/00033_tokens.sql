-- +goose Up
-- API tokens: sessions by which programs act for a member, with the actions that they name.

alter table sessions drop constraint sessions_kind_known;
alter table sessions add constraint sessions_kind_known check (kind in ('cli', 'web', 'token'));
alter table sessions add column name text;
alter table sessions add column scopes text[];
alter table sessions add column used_at timestamptz;
alter table sessions add constraint sessions_token_named
    check ((kind = 'token') = (name is not null) and (kind = 'token') = (scopes is not null));
alter table sessions add constraint sessions_name_length check (char_length(name) between 1 and 100);
alter table sessions add constraint sessions_scopes_any check (cardinality(scopes) > 0);
-- Whoever comes upon a token must not do with it what cannot be taken back.
alter table sessions add constraint sessions_scopes_harmless check (not scopes &&
    array['approve_restore', 'edit_members', 'edit_security', 'edit_billing', 'delete_connection', 'delete_account']);
alter table sessions add constraint sessions_token_unproven
    check (kind <> 'token' or stepped_up_at is null and not pending);
alter table sessions add constraint sessions_token_life
    check (kind <> 'token' or expires_at <= created_at + interval '366 days');
comment on column sessions.name is 'what people call a token';
comment on column sessions.scopes is 'the actions that a token may; null: it is a person''s session';
comment on column sessions.used_at is 'when a token was last used, to the minute';
grant select (name, scopes, used_at), update (used_at) on sessions to imago_api;

-- +goose StatementBegin
create function current_scopes() returns text[]
language sql stable security definer set search_path = ''
as $$
    select s.scopes from public.sessions s where s.id = public.current_session_id()
$$;
-- +goose StatementEnd
comment on function current_scopes() is 'the actions of the presented token; null: it is a person''s session';

-- After sessions_begin: a token proves nothing and waits for nothing. What it is made with
-- was proven by whoever makes it.
-- +goose StatementBegin
create function begin_token() returns trigger
language plpgsql set search_path = ''
as $$
begin
    new.stepped_up_at := null;
    new.pending := false;
    return new;
end
$$;
-- +goose StatementEnd
comment on function begin_token() is 'a token proves nothing by itself';
create trigger sessions_token before insert on sessions for each row when (new.kind = 'token') execute function begin_token();

-- The functions below are for imago_api, with a session, and read across row-level
-- security: other members' sessions are nobody's business, and other members' tokens are
-- that of who keeps the account secure.

-- +goose StatementBegin
create function make_token(name text, scopes text[], expires_at timestamptz, token_hash bytea) returns uuid
language plpgsql volatile security definer set search_path = ''
as $$
declare
    made uuid;
begin
    if not public.current_stepped_up() then
        raise exception 'making a token needs a step-up' using errcode = 'IM002';
    end if;
    if (select count(*) from public.sessions s where s.account_id = public.current_account() and s.user_id = public.current_user_id()
            and s.kind = 'token' and s.revoked_at is null and s.expires_at > now()) >= 50 then
        raise exception 'you have 50 tokens' using errcode = 'IM001', hint = 'revoke those that nobody uses';
    end if;
    insert into public.sessions as s (account_id, user_id, token_hash, kind, name, scopes, idle_expires_at, expires_at, second_factor_at)
    select p.account_id, p.user_id, make_token.token_hash, 'token', make_token.name, make_token.scopes,
        make_token.expires_at, make_token.expires_at, p.second_factor_at
    from public.sessions p where p.id = public.current_session_id()
    returning s.id into made;
    return made;
end
$$;
-- +goose StatementEnd
comment on function make_token(text, text[], timestamptz, bytea) is 'makes a token of the presented session''s person';

-- +goose StatementBegin
create function account_tokens()
returns table (id uuid, name text, owner text, scopes text[], created_at timestamptz, expires_at timestamptz, used_at timestamptz)
language sql stable security definer set search_path = ''
as $$
    select s.id, s.name, u.email, s.scopes, s.created_at, s.expires_at, s.used_at
    from public.sessions s join public.users u on u.id = s.user_id
    where s.kind = 'token' and s.account_id = public.current_account() and s.revoked_at is null and s.expires_at > now()
        and (s.user_id = public.current_user_id() or public.current_member_role() in ('owner', 'admin'))
    order by s.created_at desc, s.id desc
$$;
-- +goose StatementEnd
comment on function account_tokens() is 'one''s own live tokens in the account; for owners and admins, all members''';

-- +goose StatementBegin
create function end_token(token uuid) returns text
language sql volatile security definer set search_path = ''
as $$
    update public.sessions s set revoked_at = now()
    where s.id = token and s.kind = 'token' and s.account_id = public.current_account() and s.revoked_at is null
        and (s.user_id = public.current_user_id() or public.current_member_role() in ('owner', 'admin'))
    returning s.name
$$;
-- +goose StatementEnd
comment on function end_token(uuid) is 'ends a token, and answers its name: one''s own or, for owners and admins, any of the account';

-- A token stays in its account, and is not listed among the sessions of people.
-- +goose StatementBegin
create or replace function switch_session(account uuid, token_hash bytea) returns table (id uuid)
language sql volatile security definer set search_path = ''
as $$
    update public.sessions s set account_id = a.id, token_hash = switch_session.token_hash, seen_at = now(),
        pending = a.require_second_factor and not public.gave_second_factor(s.id),
        stepped_up_at = case when not a.require_second_factor or public.gave_second_factor(s.id) then s.stepped_up_at end
    from public.members m join public.accounts a on a.id = m.account_id
    where s.id = public.current_session_id() and s.kind <> 'token' and m.user_id = s.user_id and m.account_id = switch_session.account
    returning s.id
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create or replace function my_sessions()
returns table (id uuid, kind text, account_name text, created_at timestamptz, seen_at timestamptz,
    expires_at timestamptz, origin bytea, is_current boolean)
language sql stable security definer set search_path = ''
as $$
    select s.id, s.kind, a.name, s.created_at, s.seen_at, least(s.expires_at, s.idle_expires_at), s.origin,
        s.id = public.current_session_id()
    from public.sessions s
    join public.accounts a on a.id = s.account_id
    join public.members m on m.account_id = s.account_id and m.user_id = s.user_id
    where s.user_id = public.current_user_id() and s.kind <> 'token' and s.revoked_at is null
        and s.expires_at > now() and s.idle_expires_at > now()
    order by s.seen_at desc, s.id
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create or replace function end_other_sessions() returns bigint
language sql volatile security definer set search_path = ''
as $$
    with ended as (
        update public.sessions s set revoked_at = now()
        where s.user_id = public.current_user_id() and s.id <> public.current_session_id() and s.kind <> 'token'
            and s.revoked_at is null and s.expires_at > now() and s.idle_expires_at > now()
        returning s.id
    )
    select count(*) from ended
$$;
-- +goose StatementEnd

-- +goose StatementBegin
do $$
declare
    f record;
begin
    execute 'grant create on schema public to imago_definer';
    for f in
        select * from (values
            ('current_scopes()', 'imago_api, imago_worker, imago_drift'),
            ('make_token(text, text[], timestamptz, bytea)', 'imago_api'),
            ('account_tokens()', 'imago_api'),
            ('end_token(uuid)', 'imago_api')
        ) as t (signature, callers)
    loop
        execute format('alter function public.%s owner to imago_definer', f.signature);
        execute format('revoke execute on function public.%s from public', f.signature);
        execute format('grant execute on function public.%s to %s', f.signature, f.callers);
    end loop;
    execute 'revoke create on schema public from imago_definer';
end
$$;
-- +goose StatementEnd
