-- +goose Up
-- Accounts with several people: who is in, who is asked in, and how somebody goes from
-- one of their accounts to another.

-- +goose StatementBegin
create function may_edit_members(role text) returns boolean
language sql immutable parallel safe set search_path = ''
as $$
    select coalesce(role in ('owner', 'admin'), false)
$$;
-- +goose StatementEnd
comment on function may_edit_members(text) is 'whether a role may change who is in the account: as the table in pkg/account says';

-- +goose StatementBegin
create function role_rank(role text) returns int
language sql immutable parallel safe set search_path = ''
as $$
    select coalesce(array_position(array['viewer', 'auditor', 'operator', 'admin', 'owner'], role), 0)
$$;
-- +goose StatementEnd
comment on function role_rank(text) is 'the higher, the more a role may; 0 for what is none';

-- Whoever changes an account's members or invitations waits for whoever does so at the
-- same moment, and then looks anew: two owners who demote each other at once are one left.
-- +goose StatementBegin
create function lock_team(account uuid) returns void
language sql volatile set search_path = ''
as $$
    select pg_catalog.pg_advisory_xact_lock(7305, pg_catalog.hashtext(account::text))
$$;
-- +goose StatementEnd
comment on function lock_team(uuid) is 'holds who is in an account until the transaction ends';

-- +goose StatementBegin
create function guard_member() returns trigger
language plpgsql set search_path = ''
as $$
declare
    own text;
begin
    if session_user <> 'imago_api' then
        return coalesce(new, old); -- the owner: the other programs' grants say no
    end if;
    if public.current_user_id() is null then -- whose own membership has just gone
        raise exception 'no member changes who is in the account' using errcode = 'IM002';
    end if;
    perform public.lock_team(old.account_id);
    own := public.current_member_role();
    if tg_op = 'UPDATE' and (new.account_id, new.user_id, new.created_at) is distinct from (old.account_id, old.user_id, old.created_at) then
        raise exception 'a membership stays whose it is' using errcode = 'IM002';
    end if;
    if not public.may_edit_members(own) and not (tg_op = 'DELETE' and old.user_id = public.current_user_id()) then
        raise exception 'your role does not allow to change who is in the account'
            using errcode = 'IM002', hint = 'ask an owner or an admin of the account';
    end if;
    if public.role_rank(old.role) > public.role_rank(own) then
        raise exception 'their role (%) is above your own', old.role using errcode = 'IM002', hint = 'ask an owner of the account';
    end if;
    if tg_op = 'UPDATE' and public.role_rank(new.role) > public.role_rank(own) then
        raise exception 'the role % is above your own', new.role using errcode = 'IM002', hint = 'ask an owner of the account';
    end if;
    if old.role = 'owner' and (tg_op = 'DELETE' or new.role <> 'owner') and not exists (
            select from public.members m
            where m.account_id = old.account_id and m.user_id <> old.user_id and m.role = 'owner') then
        raise exception 'the account would be left without an owner'
            using errcode = 'IM002', hint = 'make somebody else an owner first';
    end if;
    return coalesce(new, old);
end
$$;
-- +goose StatementEnd
comment on function guard_member() is 'nobody changes whom they may not, or gives a role above their own; the last owner stays one';
create trigger members_guard before update or delete on members for each row execute function guard_member();

-- Who comes back by a new invitation does not find an old session alive.
-- +goose StatementBegin
create function end_sessions() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
    update public.sessions s set revoked_at = now()
    where s.account_id = old.account_id and s.user_id = old.user_id and s.revoked_at is null;
    return null;
end
$$;
-- +goose StatementEnd
comment on function end_sessions() is 'whoever is no member any more is signed in no more, and for good';
create trigger members_sessions after delete on members for each row execute function end_sessions();
grant update (revoked_at, account_id, token_hash) on sessions to imago_definer;
grant update (role), delete on members to imago_api;

alter table sessions add column second_factor_at timestamptz;
comment on column sessions.second_factor_at is 'when its person last gave their second factor in it; null: never';

create table invitations (
    id uuid not null default new_id(),
    account_id uuid not null,
    email text not null,
    role text not null,
    invited_by uuid not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null default now() + interval '7 days',
    mails int not null default 1,
    token_hash bytea,
    sent_at timestamptz,
    revoked_at timestamptz,
    accepted_at timestamptz,
    accepted_by uuid,
    told_at timestamptz,
    constraint invitations_pkey primary key (id),
    constraint invitations_account_fkey foreign key (account_id) references accounts (id),
    constraint invitations_invited_by_fkey foreign key (invited_by) references users (id),
    constraint invitations_accepted_by_fkey foreign key (accepted_by) references users (id),
    constraint invitations_token_hash_key unique (token_hash),
    constraint invitations_token_hash_length check (octet_length(token_hash) = 32),
    constraint invitations_email_form check (email = lower(email) and char_length(email) between 3 and 254),
    constraint invitations_role_known check (role in ('owner', 'admin', 'operator', 'auditor', 'viewer')),
    constraint invitations_mails_range check (mails between 1 and 10)
);
create unique index invitations_open_key on invitations (account_id, email) where accepted_at is null and revoked_at is null;
create index invitations_email_idx on invitations (email) where accepted_at is null and revoked_at is null;
create index invitations_created_idx on invitations (account_id, created_at);
comment on table invitations is 'who is asked into an account, as what; the token itself stands in the mail alone';
comment on column invitations.mails is 'how often it was mailed, or is to be';
comment on column invitations.told_at is 'when the account''s activity log was told that it was accepted';
alter table invitations enable row level security;
alter table invitations force row level security;
create policy invitations_own on invitations to imago_api, imago_worker
    using (account_id = (select current_account()));
grant select (id, account_id, email, role, invited_by, created_at, expires_at, mails, sent_at, revoked_at, accepted_at, accepted_by, told_at),
    insert (account_id, email, role), update (mails, revoked_at, told_at) on invitations to imago_api;
grant select (id, account_id, email, role, invited_by, expires_at, revoked_at, accepted_at),
    update (token_hash, sent_at) on invitations to imago_worker;
grant select, update on invitations to imago_definer;
create policy invitations_definer on invitations to imago_definer using (true) with check (true);

-- +goose StatementBegin
create function guard_invitation() returns trigger
language plpgsql set search_path = ''
as $$
declare
    own text;
begin
    if public.current_user_id() is null then
        return new; -- nobody who is signed in: policies and grants say no
    end if;
    perform public.lock_team(new.account_id);
    own := public.current_member_role();
    if not public.may_edit_members(own) then
        raise exception 'your role does not allow to invite' using errcode = 'IM002', hint = 'ask an owner or an admin of the account';
    end if;
    if public.role_rank(new.role) > public.role_rank(own) then
        raise exception 'the role % is above your own', new.role using errcode = 'IM002', hint = 'ask an owner of the account';
    end if;
    if tg_op = 'INSERT' and (select count(*) from public.invitations i
            where i.account_id = new.account_id and i.created_at > now() - interval '1 day') >= 100 then
        raise exception 'the account has invited 100 times within a day' using errcode = 'IM001', hint = 'try again tomorrow';
    end if;
    if tg_op = 'INSERT' or new.mails > old.mails then
        -- Whoever has it mailed stands for it. What was mailed before is worth nothing.
        new.invited_by := public.current_user_id();
        new.expires_at := now() + interval '7 days';
        new.token_hash := null;
        new.sent_at := null;
    end if;
    return new;
end
$$;
-- +goose StatementEnd
comment on function guard_invitation() is 'nobody invites to a role above their own; 100 invitations a day';
create trigger invitations_guard before insert on invitations for each row execute function guard_invitation();
create trigger invitations_guard_again before update on invitations for each row
    when ((old.mails, old.revoked_at) is distinct from (new.mails, new.revoked_at))
    execute function guard_invitation();

-- The job that mails it. (A policy of its own: any that fits is enough.)
create policy river_job_invitation_insert on river.river_job for insert to imago_api
    with check (kind = 'send_invitation' and args ->> 'account_id' = (select current_account())::text);

-- The functions below reach across accounts, as those of 00012 do and by the same rules.

-- For the two functions below it, and for no program.
-- +goose StatementBegin
create function join_by_invitation(token bytea, address text, person uuid) returns uuid
language plpgsql volatile security definer set search_path = ''
as $$
declare
    i public.invitations;
begin
    select * into i from public.invitations n where n.token_hash = token and n.email = lower(address) for update;
    if i.id is null then
        raise exception 'there is no such invitation for this address'
            using errcode = 'IM002', hint = 'sign in with the address that was invited, or ask for a new invitation';
    end if;
    perform public.lock_team(i.account_id);
    if i.accepted_at is not null then
        if i.accepted_by = person and exists (
                select from public.members m where m.account_id = i.account_id and m.user_id = person) then
            return i.account_id; -- the answer was lost
        end if;
        raise exception 'the invitation was used already' using errcode = 'IM002', hint = 'ask for a new invitation';
    end if;
    if i.revoked_at is not null or i.expires_at <= now() then
        raise exception 'the invitation is not valid any more' using errcode = 'IM002', hint = 'ask for a new invitation';
    end if;
    if not exists (select from public.members m
            where m.account_id = i.account_id and m.user_id = i.invited_by
                and public.may_edit_members(m.role) and public.role_rank(m.role) >= public.role_rank(i.role)) then
        raise exception 'whoever sent the invitation may not invite any more' using errcode = 'IM002', hint = 'ask for a new invitation';
    end if;
    insert into public.members (account_id, user_id, role) values (i.account_id, person, i.role)
    on conflict on constraint members_pkey do nothing;
    update public.invitations n set accepted_at = now(), accepted_by = person where n.id = i.id;
    return i.account_id;
end
$$;
-- +goose StatementEnd
comment on function join_by_invitation(bytea, text, uuid) is 'uses an invitation up, once; only for the invited address; void when who sent it may not invite any more';

-- For imago_api, with a session of the invited person.
-- +goose StatementBegin
create function accept_invitation(token bytea) returns uuid
language sql volatile security definer set search_path = ''
as $$
    select public.join_by_invitation(token, u.email, u.id) from public.users u where u.id = public.current_user_id()
$$;
-- +goose StatementEnd
comment on function accept_invitation(bytea) is 'takes the person whose session was presented into the account that they are invited to';

-- For imago_api, with no proof, in the transaction of open_session: the invited person's
-- mailed code was right.
-- +goose StatementBegin
create function accept_with_code(code uuid, client bytea, token bytea) returns uuid
language plpgsql volatile security definer set search_path = ''
as $$
declare
    c public.sign_in_codes;
    person uuid;
begin
    select * into c from public.sign_in_codes s where s.id = code for update;
    if c.id is null or c.client_hash <> client or c.verified_at is null or c.used_at is not null or c.expires_at <= now() then
        raise exception 'no code was checked that this invitation could be accepted with' using errcode = 'IM002';
    end if;
    insert into public.users as u (email) values (c.email) on conflict on constraint users_email_key do nothing;
    select u.id into person from public.users u where u.email = c.email;
    return public.join_by_invitation(token, c.email, person);
end
$$;
-- +goose StatementEnd
comment on function accept_with_code(uuid, bytea, bytea) is 'takes who signs in with a checked code into the account that they are invited to';

-- For imago_api, with a session. The names are of the person's own accounts.
-- +goose StatementBegin
create function my_accounts() returns table (account_id uuid, name text, role text, joined_at timestamptz)
language sql stable security definer set search_path = ''
as $$
    select a.id, a.name, m.role, m.created_at
    from public.members m join public.accounts a on a.id = m.account_id
    where m.user_id = public.current_user_id()
    order by m.created_at, a.id
$$;
-- +goose StatementEnd
comment on function my_accounts() is 'the accounts of the person whose session was presented, oldest membership first';

-- Whether a session gave the second factor that its person has now.
-- +goose StatementBegin
create function gave_second_factor(session uuid) returns boolean
language sql stable security definer set search_path = ''
as $$
    select exists (
        select from public.sessions s join public.totp_factors t on t.user_id = s.user_id
        where s.id = session and s.second_factor_at >= t.confirmed_at)
$$;
-- +goose StatementEnd
comment on function gave_second_factor(uuid) is 'whether a session''s person gave in it the second factor that they have now';

-- What raises a session: its person's second factor. Mail alone goes by step_up.
-- +goose StatementBegin
create or replace function rise(token_hash bytea) returns timestamptz
language sql volatile security definer set search_path = ''
as $$
    update public.totp_factors t set tries = 0 where t.user_id = public.current_person();
    update public.sessions s set token_hash = rise.token_hash, stepped_up_at = now(), second_factor_at = now(), pending = false
    where s.id = coalesce(public.current_session_id(), public.current_pending_id())
    returning s.expires_at
$$;
-- +goose StatementEnd

-- It waits a quarter of an hour from when it began to, which need not be when it was
-- opened: what waits is not touched.
-- +goose StatementBegin
create or replace function current_pending_id() returns uuid
language sql stable security definer set search_path = ''
as $$
    select s.id
    from public.sessions s
    join public.members m on m.account_id = s.account_id and m.user_id = s.user_id
    where session_user = 'imago_api'
        and current_setting('app.proof_kind', true) = 'pending'
        and s.token_hash = case
            when current_setting('app.proof', true) ~ '^[0-9a-f]{64}$'
            then decode(current_setting('app.proof', true), 'hex')
        end
        and s.revoked_at is null
        and s.expires_at > now()
        and s.seen_at > now() - interval '15 minutes'
        and s.pending
$$;
-- +goose StatementEnd

-- For imago_api, with a session: all that is known of it goes with it, but for its token.
-- Into an account that wants a second factor it goes as one that waits, unless it gave one.
-- +goose StatementBegin
create function switch_session(account uuid, token_hash bytea) returns table (id uuid)
language sql volatile security definer set search_path = ''
as $$
    update public.sessions s set account_id = a.id, token_hash = switch_session.token_hash, seen_at = now(),
        pending = a.require_second_factor and not public.gave_second_factor(s.id),
        stepped_up_at = case when not a.require_second_factor or public.gave_second_factor(s.id) then s.stepped_up_at end
    from public.members m join public.accounts a on a.id = m.account_id
    where s.id = public.current_session_id() and m.user_id = s.user_id and m.account_id = switch_session.account
    returning s.id
$$;
-- +goose StatementEnd
comment on function switch_session(uuid, bytea) is 'takes a session to another account of its person, under a new token; nothing for an account that is not theirs';

-- For imago_api, in the transaction that took somebody into that account: whether its plan
-- has room for them is decided by the program, which the account's own rows are not shown.
-- +goose StatementBegin
create function joined_account(account uuid) returns table (created_at timestamptz, members bigint, subscription public.subscriptions)
language sql stable security definer set search_path = ''
as $$
    select a.created_at, (select count(*) from public.members m where m.account_id = a.id), s
    from public.accounts a left join public.subscriptions s on s.account_id = a.id
    where a.id = joined_account.account and exists (
        select from public.invitations i where i.account_id = a.id and i.accepted_at = now())
$$;
-- +goose StatementEnd
comment on function joined_account(uuid) is 'what an account that somebody has joined in this very transaction pays for, and how many are in it';

-- +goose StatementBegin
create or replace function set_code_hash(code_hash bytea)
returns table (email text, expires_at timestamptz, steps_up boolean)
language sql volatile security definer set search_path = ''
as $$
    update public.sign_in_codes c set code_hash = set_code_hash.code_hash
    where c.id = public.current_code_id() and c.verified_at is null
        and current_setting('app.proof_kind', true) = 'job'
        and (not c.members_only
            or exists (
                select from public.users u join public.members m on m.user_id = u.id where u.email = c.email)
            or exists (
                select from public.invitations i
                where i.email = c.email and i.accepted_at is null and i.revoked_at is null and i.expires_at > now()))
    returning c.email, c.expires_at, c.session_id is not null
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
            ('end_sessions()', null),
            ('join_by_invitation(bytea, text, uuid)', null),
            ('accept_invitation(bytea)', 'imago_api'),
            ('accept_with_code(uuid, bytea, bytea)', 'imago_api'),
            ('my_accounts()', 'imago_api'),
            ('gave_second_factor(uuid)', null),
            ('switch_session(uuid, bytea)', 'imago_api'),
            ('joined_account(uuid)', 'imago_api')
        ) as t (signature, caller)
    loop
        execute format('alter function public.%s owner to imago_definer', f.signature);
        execute format('revoke execute on function public.%s from public', f.signature);
        if f.caller is not null then
            execute format('grant execute on function public.%s to %I', f.signature, f.caller);
        end if;
    end loop;
    execute 'revoke create on schema public from imago_definer';
end
$$;
-- +goose StatementEnd
